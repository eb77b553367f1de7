package matrix

import (
	"context"
	"encoding/json"
	"errors"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// newKeeper makes what encrypts and decrypts for the users of ours that are in
// encrypted rooms. nil, with a line in the log, in a build without encryption.
func newKeeper(t *term) (*e2ee.Keeper, error) {
	if !e2ee.Built {
		t.log.Info("built without encryption (-tags goolm): there are no calls in encrypted rooms")
		return nil, nil //nolint:nilnil // asked for by e2ee.Built
	}
	k, err := e2ee.New(e2ee.Config{
		Homeserver: t.cfg.Homeserver, Token: t.a.reg.AppToken, Secret: []byte(t.a.reg.AppToken),
		Store: t.store(), Log: t.log, HTTP: t.a.hs.http.Transport, Known: t.knows,
		MaxDevices: t.cfg.MaxDevices, RequestTimeout: t.cfg.SendTimeout,
	})
	if err != nil {
		return nil, err //nolint:wrapcheck // a *schema.Error
	}
	k.OnKeys(func(_ id.UserID, in id.RoomID, session id.SessionID) { t.keysCame(in, session.String()) })
	return k, nil
}

// knows reports whether a user of ours has a room with a person.
func (t *term) knows(own, person id.UserID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.pairs[pair{person, own}] != nil
}

// errNoEncryption is what becomes of encrypted events in a build without it.
var errNoEncryption = schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "matrix: %w", e2ee.ErrNotBuilt) //nolint:gochecknoglobals // a sentinel

// ready gives a user of ours a device, so that others can encrypt for it.
func (t *term) ready(own id.UserID) {
	if t.keeper == nil {
		t.log.Warn("a room is encrypted, and this binary was built without encryption (-tags goolm)", "as", own)
		return
	}
	t.untilDone("making a device", func(ctx context.Context) error { return t.keeper.Ensure(ctx, own) })
}

// meet makes an encrypted room ready: the user of ours has a device, and the person's
// devices have the keys of what it will say. A client that is told of a call before
// the keys arrive does not ring, and only some homeservers tell it in order.
func (t *term) meet(r *room) {
	t.ready(r.Own)
	if t.keeper == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.ctx, t.cfg.SendTimeout)
	defer cancel()
	hello := &message{Room: r.ID, As: r.Own, Type: "m.dummy", Content: json.RawMessage("{}")} // not sent
	if _, err := t.encrypt(ctx, r, hello); err != nil {
		t.log.Info("keys are given with the first call: not now", "room", r.ID, "as", r.Own, "error", err)
		return
	}
	t.log.Info("keys given", "room", r.ID, "as", r.Own, "user", r.User)
}

// encrypt gives what a room gets instead of a message.
func (t *term) encrypt(ctx context.Context, r *room, m *message) (json.RawMessage, error) {
	if t.keeper == nil {
		return nil, errNoEncryption
	}
	members, err := t.present(ctx, r)
	if err != nil {
		return nil, err
	}
	return t.keeper.Encrypt(ctx, m.As, m.Room, members, m.Type, m.Content) //nolint:wrapcheck // has a code
}

// decrypt gives what an event of a person says. missing: not now, since its keys
// are not here; they have been asked for.
func (t *term) decrypt(ctx context.Context, own id.UserID, in incoming) (plain incoming, missing bool, err error) {
	if t.keeper == nil {
		return incoming{}, false, errNoEncryption
	}
	e := *in.event
	e.Type.Class = event.MessageEventType
	if err := e.Content.ParseRaw(e.Type); err != nil && !errors.Is(err, event.ErrContentAlreadyParsed) {
		return incoming{}, false, schema.Invalid("content", "not an encrypted event: %v", err)
	}
	out, err := t.keeper.Decrypt(ctx, own, &e)
	if err != nil {
		return incoming{}, errors.Is(err, e2ee.ErrNoKeys) || errors.Is(err, e2ee.ErrWithheld), err //nolint:wrapcheck // has a code
	}
	plain = in
	plain.kind, plain.data = out.Type.Type, out.Content.VeryRaw
	return plain, false, nil
}

// sessionOf is which keys an encrypted event needs.
func sessionOf(data []byte) string {
	var c struct {
		Session string `json:"session_id"`
	}
	_ = json.Unmarshal(data, &c) // "" is a session whose keys never come
	return c.Session
}
