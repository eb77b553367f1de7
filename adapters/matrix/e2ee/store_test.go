//go:build goolm

package e2ee

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/crypto/olm"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee/storetest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func openStore(t *testing.T, data *storetest.Data) *store {
	t.Helper()
	v, err := newVault(data.Open(-1, false), []byte(asToken), string(ghost), nil)
	if err != nil {
		t.Fatal(err)
	}
	return newStore(v, ghost, []byte("pickle"))
}

// inbound makes a Megolm session that came from the user.
func inbound(t *testing.T, from id.UserID, in id.RoomID) *crypto.InboundGroupSession {
	t.Helper()
	out, err := olm.NewOutboundGroupSession()
	if err != nil {
		t.Fatal(err)
	}
	g, err := crypto.NewInboundGroupSession("sender-key", "signing-key", in, out.Key(), time.Hour, 7, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	g.SourceUser = from
	return g
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestGroupSessions(t *testing.T) {
	t.Parallel()
	ctx, data := withPeers(t.Context(), alice), &storetest.Data{}
	s := openStore(t, data)
	g := inbound(t, alice, room)
	must(t, s.PutGroupSession(ctx, g))
	for _, s := range []*store{s, openStore(t, data)} {
		got, err := s.GetGroupSession(ctx, room, g.ID())
		must(t, err)
		if got == nil || got.ID() != g.ID() || got.SourceUser != alice || got.SenderKey != "sender-key" || got.SigningKey != "signing-key" ||
			got.MaxMessages != 7 || got.MaxAge != time.Hour.Milliseconds() || !got.ReceivedAt.Equal(g.ReceivedAt) {
			t.Errorf("another session: %+v", got)
		}
		if got, err := s.GetGroupSession(ctx, "!other:example.org", g.ID()); got != nil || err != nil {
			t.Errorf("in another room: %v, %v", got, err)
		}
	}
}

// Keys that nobody was asked for are not taken.
func TestForwardedKeys(t *testing.T) {
	t.Parallel()
	ctx := withPeers(t.Context(), alice)
	s := openStore(t, &storetest.Data{})
	g := inbound(t, alice, room)
	g.KeySource = id.KeySourceForward
	if err := s.PutGroupSession(ctx, g); schema.CodeOf(err) != callv1.Code_CODE_FORBIDDEN {
		t.Errorf("not asked for: %v", err)
	}
	s.ask(g.ID(), "@mallory:example.org")
	if err := s.PutGroupSession(ctx, g); schema.CodeOf(err) != callv1.Code_CODE_FORBIDDEN {
		t.Errorf("somebody else was asked: %v", err)
	}
	s.ask(g.ID(), alice)
	must(t, s.PutGroupSession(ctx, g))
}

// However much comes, what is kept is bounded.
func TestBounds(t *testing.T) {
	t.Parallel()
	ctx, data := withPeers(t.Context(), alice), &storetest.Data{}
	s := openStore(t, data)
	first := inbound(t, alice, room)
	must(t, s.PutGroupSession(ctx, first))
	for i := range maxPeerGroups + 10 {
		must(t, s.PutGroupSession(ctx, inbound(t, alice, id.RoomID(fmt.Sprintf("!%d:example.org", i)))))
	}
	for range maxOwnGroups + 5 {
		must(t, s.PutGroupSession(ctx, inbound(t, ghost, room)))
	}
	groups := 0
	keys, _ := data.Keys("olm/")
	for _, k := range keys {
		if strings.Contains(k, "/g/") {
			groups++
		}
	}
	if groups != maxPeerGroups+maxOwnGroups {
		t.Errorf("%d Megolm sessions are kept", groups)
	}
	if got, err := openStore(t, data).GetGroupSession(ctx, room, first.ID()); got != nil || err != nil {
		t.Errorf("the oldest: %v, %v", got, err)
	}
	us, err := olm.NewAccount()
	must(t, err)
	them, err := olm.NewAccount()
	must(t, err)
	for i := range maxOlmKeys + 5 {
		must(t, them.GenOneTimeKeys(1))
		keys, err := them.OneTimeKeys()
		must(t, err)
		them.MarkKeysAsPublished()
		_, theirs, err := them.IdentityKeys()
		must(t, err)
		for j := range maxOlmPerKey + 2 {
			session, err := us.NewOutboundSession(theirs, only2(keys))
			must(t, err)
			o := &crypto.OlmSession{Internal: session}
			o.CreationTime = time.Unix(int64(100*i+j), 0)
			o.LastDecryptedTime = o.CreationTime
			must(t, s.AddSession(ctx, id.SenderKey(fmt.Sprintf("key-%d", i)), o))
		}
		must(t, s.PutOlmHash(ctx, [32]byte{byte(i)}, time.Now()))
	}
	s = openStore(t, data)
	total := 0
	for i := range maxOlmKeys + 5 {
		key := id.SenderKey(fmt.Sprintf("key-%d", i))
		list, err := s.GetSessions(ctx, key)
		must(t, err)
		total += len(list)
		if has := s.HasSession(ctx, key); has != (i >= 5) {
			t.Errorf("sessions with device %d: %t", i, has)
		}
		if i >= 5 && !list[0].CreationTime.Equal(time.Unix(int64(100*i+maxOlmPerKey+1), 0)) {
			t.Errorf("the first session with device %d is not the newest", i)
		}
	}
	if total != maxOlmKeys*maxOlmPerKey {
		t.Errorf("%d Olm sessions are kept", total)
	}
	if ts, err := s.GetOlmHash(ctx, [32]byte{7}); ts.IsZero() || err != nil {
		t.Errorf("a message's hash: %v, %v", ts, err)
	}
}

func only2[K comparable, V any](m map[K]V) (v V) {
	for _, v = range m {
	}
	return v
}

// One peer's record stays below what the store takes, however large its sessions.
func TestLargePeer(t *testing.T) {
	t.Parallel()
	p := &peerRecord{Sessions: map[id.SenderKey][]*olmRecord{}}
	for i := range maxOlmKeys {
		for j := range maxOlmPerKey {
			key := id.SenderKey(fmt.Sprint(i))
			p.Sessions[key] = append(p.Sessions[key], &olmRecord{Pickle: strings.Repeat("x", 6000), Decrypted: time.Unix(int64(10*i+j), 0)})
		}
	}
	trimOlm(p)
	size := 0
	for _, list := range p.Sessions {
		for _, o := range list {
			size += len(o.Pickle)
		}
	}
	if size > maxOlmBytes || len(p.Sessions) < 10 || p.Sessions[id.SenderKey(fmt.Sprint(maxOlmKeys-1))] == nil {
		t.Errorf("%d bytes of %d devices are kept", size, len(p.Sessions))
	}
}

func TestMessageIndices(t *testing.T) {
	t.Parallel()
	ctx, data := withPeers(t.Context(), alice), &storetest.Data{}
	s := openStore(t, data)
	g := inbound(t, alice, room)
	must(t, s.PutGroupSession(ctx, g))
	valid := func(s *store, name id.EventID, index uint, ts int64) bool {
		t.Helper()
		ok, err := s.ValidateMessageIndex(ctx, g.ID(), name, index, ts)
		must(t, err)
		return ok
	}
	for i := range uint(maxSeen + 100) {
		if !valid(s, id.EventID(fmt.Sprint("$", i)), i, 1) {
			t.Fatalf("message %d is refused", i)
		}
	}
	s = openStore(t, data)
	for _, c := range []struct {
		name  id.EventID
		index uint
		ts    int64
		want  bool
	}{
		{"$400", 400, 1, true}, {"$400", 400, 2, false}, {"$401", 400, 1, false}, {"$9", 9, 1, false}, {"$new", 9, 1, false},
		{"$new", maxSeen + 100, 1, true}, {"$newer", maxSeen + 100, 1, false},
	} {
		if got := valid(s, c.name, c.index, c.ts); got != c.want {
			t.Errorf("%s with index %d at %d: %t", c.name, c.index, c.ts, got)
		}
	}
}

func TestOutbound(t *testing.T) {
	t.Parallel()
	ctx, data := t.Context(), &storetest.Data{}
	s := openStore(t, data)
	g, err := crypto.NewOutboundGroupSession(room, &event.EncryptionEventContent{RotationPeriodMessages: 9}, nil)
	must(t, err)
	g.Shared = true
	g.Users[crypto.UserDevice{UserID: alice, DeviceID: "PHONE"}] = crypto.OGSAlreadyShared
	must(t, s.AddOutboundGroupSession(ctx, g))
	_, err = g.Encrypt([]byte("x"))
	must(t, err)
	must(t, s.UpdateOutboundGroupSession(ctx, g))
	got, err := openStore(t, data).GetOutboundGroupSession(ctx, room)
	must(t, err)
	if got.ID() != g.ID() || got.Internal.MessageIndex() != 1 || got.MessageCount != 1 || got.MaxMessages != 9 || !got.Shared ||
		got.Users[crypto.UserDevice{UserID: alice, DeviceID: "PHONE"}] != crypto.OGSAlreadyShared || !got.CreationTime.Equal(g.CreationTime) {
		t.Errorf("another session: %+v", got)
	}
	must(t, s.RemoveOutboundGroupSession(ctx, room))
	must(t, s.UpdateOutboundGroupSession(ctx, g)) // by whoever still had it
	if got, err := openStore(t, data).GetOutboundGroupSession(ctx, room); got != nil || err != nil {
		t.Errorf("a session that was removed: %v, %v", got, err)
	}
}

func TestConflict(t *testing.T) {
	t.Parallel()
	ctx, data := withPeers(t.Context(), alice), &storetest.Data{}
	a, b := openStore(t, data), openStore(t, data)
	must(t, a.PutDevices(ctx, alice, map[id.DeviceID]*id.Device{"PHONE": {DeviceID: "PHONE", IdentityKey: "i"}}))
	_, err := b.GetDevices(ctx, alice) // knows the first revision
	must(t, err)
	must(t, a.share(ctx, alice, room))
	if err := b.share(ctx, alice, "!other:example.org"); schema.CodeOf(err) != callv1.Code_CODE_CONFLICT {
		t.Errorf("the second to write: %v", err)
	}
	if _, err := b.GetDevices(ctx, alice); schema.CodeOf(err) != callv1.Code_CODE_CONFLICT {
		t.Errorf("after that: %v", err)
	}
	must(t, a.share(ctx, alice, "!third:example.org"))
	next, err := a.claim(ctx, "a")
	must(t, err)
	must(t, a.setNext(ctx, next+"1"))
	c := openStore(t, data)
	if next, err = c.claim(ctx, "c"); next != "1" || err != nil {
		t.Errorf("the next one begins at %q, %v", next, err)
	}
	if err := a.setNext(ctx, "2"); schema.CodeOf(err) != callv1.Code_CODE_CONFLICT {
		t.Errorf("the one before: %v", err)
	}
}

// gone is a context that has ended: what is under way is done nevertheless.
func TestEndedContext(t *testing.T) {
	t.Parallel()
	data := &storetest.Data{}
	ctx, cancel := context.WithCancel(withPeers(t.Context(), alice))
	cancel()
	s := openStore(t, data)
	must(t, s.share(ctx, alice, room))
	if rooms, err := openStore(t, data).sharedRooms(t.Context(), alice); len(rooms) != 1 || err != nil {
		t.Errorf("%v, %v", rooms, err)
	}
}
