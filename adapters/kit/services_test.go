package kit_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func (n *node) directory(answer func(q *callv1.DirectoryRequest) *callv1.DirectoryReply) {
	n.t.Helper()
	_, err := n.bus("directory", "d1").ServeDirectory(
		func(_ *callv1.Identity, q *callv1.DirectoryRequest, respond func(*callv1.DirectoryReply)) {
			if r := answer(q); r != nil {
				respond(r)
			}
		})
	if err != nil {
		n.t.Fatal(err)
	}
}

func TestTheDirectoryDecides(t *testing.T) {
	n := start(t, nil)
	if _, err := n.host.Authenticate(n.ctx(), &callv1.Credentials{}); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Errorf("without a directory: %v", err)
	}
	if _, err := n.host.ServesDomain(n.ctx(), "example.com"); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Errorf("without a directory: %v", err)
	}
	refuse := func(c callv1.Code) *callv1.DirectoryReply {
		return &callv1.DirectoryReply{Error: &callv1.Error{Code: c}}
	}
	n.directory(func(q *callv1.DirectoryRequest) *callv1.DirectoryReply {
		if d := q.GetDomain(); d != nil {
			switch d.GetName() {
			case "example.com":
				return &callv1.DirectoryReply{}
			case "silent.example":
				return nil
			}
			return refuse(callv1.Code_CODE_NOT_FOUND)
		}
		if q.GetAuthenticate().GetKind() != "test" {
			return refuse(callv1.Code_CODE_INVALID)
		}
		switch q.GetAuthenticate().GetCredentials().GetBearer().GetToken() {
		case "good":
			return &callv1.DirectoryReply{Principal: &callv1.Principal{Subscriber: "alice"}}
		case "empty":
			return &callv1.DirectoryReply{}
		case "silent":
			return nil
		}
		return refuse(callv1.Code_CODE_UNAUTHENTICATED)
	})
	for token, want := range map[string]callv1.Code{
		"good": ok, "bad": callv1.Code_CODE_UNAUTHENTICATED, "empty": callv1.Code_CODE_INTERNAL, "silent": callv1.Code_CODE_RETRY,
	} {
		p, err := n.host.Authenticate(n.ctx(), &callv1.Credentials{Proof: &callv1.Credentials_Bearer{Bearer: &callv1.Bearer{Token: token}}})
		if schema.CodeOf(err) != want || err == nil && p.GetSubscriber() != "alice" {
			t.Errorf("%s: %v, %v; want %s", token, p, err, want)
		}
	}
	for domain, want := range map[string]bool{"example.com": true, "example.org": false} {
		if got, err := n.host.ServesDomain(n.ctx(), domain); got != want || err != nil {
			t.Errorf("%s: %v, %v", domain, got, err)
		}
	}
	if _, err := n.host.ServesDomain(n.ctx(), "silent.example"); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Errorf("no answer: %v", err)
	}
}

func TestTheDirectoryIsAskedForMore(t *testing.T) {
	n := start(t, nil)
	if _, err := n.host.LookUp(n.ctx(), "sip:bob@example.com"); schema.CodeOf(err) != callv1.Code_CODE_RETRY {
		t.Errorf("without a directory: %v", err)
	}
	n.directory(func(q *callv1.DirectoryRequest) *callv1.DirectoryReply {
		switch b := q.GetBody().(type) {
		case *callv1.DirectoryRequest_Resolve:
			if b.Resolve.GetAddress() == "sip:bob@example.com" {
				return &callv1.DirectoryReply{Party: &callv1.Party{Subscriber: "bob"}}
			}
			return &callv1.DirectoryReply{Error: &callv1.Error{Code: callv1.Code_CODE_NOT_FOUND}}
		case *callv1.DirectoryRequest_PutDevice:
			if b.PutDevice.GetToken() == "one too many" {
				return &callv1.DirectoryReply{Error: &callv1.Error{Code: callv1.Code_CODE_OVERLOAD}}
			}
		case *callv1.DirectoryRequest_Wake:
			if b.Wake.GetWhat() != "message" {
				return &callv1.DirectoryReply{Error: &callv1.Error{Code: callv1.Code_CODE_INVALID}}
			}
		}
		return &callv1.DirectoryReply{}
	})
	if p, err := n.host.LookUp(n.ctx(), "sip:bob@example.com"); err != nil || p.GetSubscriber() != "bob" {
		t.Errorf("bob: %v, %v", p, err)
	}
	if _, err := n.host.LookUp(n.ctx(), "sip:nobody@example.com"); schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
		t.Errorf("nobody: %v", err)
	}
	if err := n.host.PutDevice(n.ctx(), &callv1.PutDevice{Token: "first"}); err != nil {
		t.Errorf("a device: %v", err)
	}
	if err := n.host.PutDevice(n.ctx(), &callv1.PutDevice{Token: "one too many"}); schema.CodeOf(err) != callv1.Code_CODE_OVERLOAD {
		t.Errorf("one device too many: %v", err)
	}
	if err := n.host.Wake(n.ctx(), &callv1.Wake{What: "message"}); err != nil {
		t.Errorf("wake: %v", err)
	}
}

func TestSignalsGoToTheLegsMediaNode(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	type got struct {
		node string
		s    *callv1.Signal
	}
	signals := make(chan got, 100)
	for _, node := range []string{"m1", "m2"} {
		_, err := n.bus("media", node).ServeSignals(func(from *callv1.Identity, s *callv1.Signal) {
			if from.GetKind() != "test" || from.GetNode() != "n1" {
				t.Errorf("a signal from %v", from)
			}
			signals <- got{node, s}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	digit := func(who, leg, d string) *callv1.Signal {
		return &callv1.Signal{LegId: leg, Principal: who, Body: &callv1.Signal_Dtmf{Dtmf: &callv1.Dtmf{Digit: d}}}
	}
	wantSignal := func(node, d string) {
		t.Helper()
		if s := <-signals; s.node != node || s.s.GetDtmf().GetDigit() != d {
			t.Errorf("%s got %v; want %s, %s", s.node, s.s, node, d)
		}
	}
	refused := func(what string, s *callv1.Signal, want callv1.Code) {
		t.Helper()
		if err := n.host.Signal(n.ctx(), s); schema.CodeOf(err) != want {
			t.Errorf("%s: %v, want %s", what, err, want)
		}
	}

	// Candidates may overtake the reply to their offer.
	out := n.accept(n.ctx(), offer("alice", alice), ref)
	a := n.next()
	refused("early", digit("alice", a.c.GetLegId(), "1"), ok)
	a.ok(callv1.LegState_LEG_STATE_OFFERED)
	n.result(out)
	<-out
	wantSignal("m1", "1")
	l := &leg{n, a.c.GetLegId(), a.callID, "alice", alice}
	refused("live", digit("alice", l.id, "2"), ok)
	wantSignal("m1", "2")
	refused("another form of the id", digit("alice", schema.CompactUUID(l.id), "3"), ok)
	wantSignal("m1", "3")

	refused("unknown leg", digit("alice", schema.LegID(n.key.NewCallID("x", "y"), 1), "1"), callv1.Code_CODE_NOT_FOUND)
	refused("no leg", digit("alice", "nonsense", "1"), callv1.Code_CODE_NOT_FOUND)
	refused("another's leg", digit("mallory", l.id, "1"), callv1.Code_CODE_NOT_FOUND)
	refused("nobody's", digit("", l.id, "1"), callv1.Code_CODE_INVALID)
	refused("not a digit", digit("alice", l.id, "x"), callv1.Code_CODE_INVALID)

	// An event may name another node.
	e := l.event(1, &callv1.Alerting{})
	e.MediaNode = "m2"
	if ack, err := n.owner.Event(n.ctx(), "test", "n1", e); err != nil || ack.GetError() != nil {
		t.Fatal(ack, err)
	}
	refused("moved", digit("alice", l.id, "4"), ok)
	wantSignal("m2", "4")
	l.gets(l.send(2, &callv1.Ended{}), ok)
	refused("ended", digit("alice", l.id, "5"), callv1.Code_CODE_NOT_FOUND)
}

func TestSignalsBeforeTheirCallAreBounded(t *testing.T) {
	n := start(t, nil)
	alice, _ := n.attach("alice")
	out := n.accept(n.ctx(), offer("alice", alice), ref)
	a := n.next()
	var err error
	for i := 0; err == nil && i < 1000; i++ {
		err = n.host.Signal(n.ctx(), &callv1.Signal{
			LegId: a.c.GetLegId(), Principal: "alice", Body: &callv1.Signal_Dtmf{Dtmf: &callv1.Dtmf{Digit: "1"}},
		})
	}
	if schema.CodeOf(err) != callv1.Code_CODE_RATE_LIMITED {
		t.Errorf("a thousand signals: %v", err)
	}
	a.refuse(callv1.Code_CODE_FORBIDDEN)
	n.result(out)
}

func TestResolve(t *testing.T) {
	n := start(t, nil)
	call := n.key.CallID("alice", "test", "x")
	tests := []struct {
		ref  kit.Ref
		leg  string
		ours bool
	}{
		{kit.Ref{Scope: "test", ID: "x"}, schema.LegID(call, 1), false},
		{kit.Ref{Scope: "room", ID: "x"}, schema.LegID(n.key.CallID("alice", "room", "x"), 1), false},
		{kit.Ref{ID: schema.LegID(call, 7)}, schema.LegID(call, 7), true},
		{kit.Ref{ID: schema.CompactUUID(schema.LegID(call, 7))}, schema.LegID(call, 7), true},
		{kit.Ref{ID: call}, schema.LegID(call, 1), true},
		{kit.Ref{ID: "6ba7b810-9dad-41d1-80b4-00c04fd430c8"}, schema.LegID(n.key.CallID("alice", "", "6ba7b810-9dad-41d1-80b4-00c04fd430c8"), 1), false},
	}
	for _, test := range tests {
		if leg, ours := n.host.Resolve("alice", test.ref); leg != test.leg || ours != test.ours {
			t.Errorf("%v: %s, %v; want %s, %v", test.ref, leg, ours, test.leg, test.ours)
		}
	}
}

func TestReasonForEveryCode(t *testing.T) {
	for code := range callv1.Code_name {
		if r := kit.ReasonFor(callv1.Code(code)); r == callv1.Reason_REASON_UNSPECIFIED {
			t.Errorf("%s has no reason", callv1.Code(code))
		}
	}
}

func TestAdaptersCount(t *testing.T) {
	n := start(t, nil)
	n.host.Metrics().Count("bad_frames", 2)
	n.host.Metrics().Gauge("peers", 7)
	if n.rec.get("bad_frames") != 2 || n.rec.get("peers") != 7 {
		t.Errorf("counted: %v", n.rec.counts)
	}
}

// A flood of sign-ins waits for its turn at the adapter, and keeps nobody from
// asking who has signed in, or whom the adapter vouches for.
func TestSignInsTakeTurns(t *testing.T) {
	n := start(t, func(_ *node, env *kit.Env, _ *kit.Spec) { env.Limits.MaxSignIns, env.Limits.AskTimeout = 2, patience })
	asked, release := make(chan struct{}, 16), make(chan struct{})
	_, err := n.bus("directory", "d1").ServeDirectory(
		func(_ *callv1.Identity, q *callv1.DirectoryRequest, respond func(*callv1.DirectoryReply)) {
			if q.GetAuthenticate().GetCredentials().GetBearer() == nil {
				respond(&callv1.DirectoryReply{Principal: &callv1.Principal{Subscriber: "alice"}, Party: &callv1.Party{Subscriber: "alice"}})
				return
			}
			asked <- struct{}{}
			go func() {
				<-release
				respond(&callv1.DirectoryReply{Principal: &callv1.Principal{Subscriber: "alice"}})
			}()
		})
	if err != nil {
		t.Fatal(err)
	}
	signIn := func(ctx context.Context) error {
		_, err := n.host.Authenticate(ctx, &callv1.Credentials{Proof: &callv1.Credentials_Bearer{Bearer: &callv1.Bearer{Token: "x"}}})
		return err
	}
	var waiting sync.WaitGroup
	hold := func() { waiting.Go(func() { _ = signIn(n.ctx()) }) }
	hold()
	hold()
	<-asked
	<-asked
	short, cancel := context.WithTimeout(n.ctx(), 20*time.Millisecond)
	defer cancel()
	if err := signIn(short); schema.CodeOf(err) != callv1.Code_CODE_RETRY || !strings.Contains(err.Error(), "too many") {
		t.Errorf("a third sign-in: %v", err)
	}
	if got := n.rec.get("sign_ins_refused"); got != 1 {
		t.Errorf("%d refusals are counted", got)
	}
	if _, err := n.host.LookUp(n.ctx(), "tel:+12025550101"); err != nil {
		t.Errorf("a question of a call: %v", err)
	}
	if _, err := n.host.Authenticate(n.ctx(), &callv1.Credentials{Proof: &callv1.Credentials_Asserted{Asserted: &callv1.Asserted{Address: "x"}}}); err != nil {
		t.Errorf("a sign-in that the adapter vouches for: %v", err)
	}
	close(release)
	waiting.Wait()
	if err := signIn(n.ctx()); err != nil {
		t.Errorf("afterwards: %v", err)
	}
}
