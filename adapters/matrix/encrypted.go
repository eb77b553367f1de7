package matrix

import (
	"context"
	"encoding/json"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// errNoKeys says that an event cannot be decrypted yet. keysOf names what is missing.
type errNoKeys struct{ session string }

func (e errNoKeys) Error() string { return "matrix: the keys of session " + e.session + " are missing" }

// parking holds events whose keys are missing, by session. Bounded: the oldest go
// first.
type parking struct {
	cars []parked
}

type parked struct {
	session string
	until   time.Time
	in      incoming
}

// maxParked and parkFor bound what waits for keys: a call that has not begun by then
// is over.
const (
	maxParked = 1000
	parkFor   = 2 * time.Minute
)

// handleEncrypted takes an encrypted event of a person. One whose keys are missing is
// handled when they come.
func (t *term) handleEncrypted(ctx context.Context, r *room, in incoming) error {
	if in.sender != r.User {
		return nil
	}
	plain, err := t.crypto.decrypt(ctx, r.Own, in)
	var missing errNoKeys
	if asNoKeys(err, &missing) {
		t.log.Info("an event cannot be decrypted yet: its keys are missing", "room", in.room, "event", in.id,
			"sender", in.sender, "session", missing.session)
		t.a.host.Metrics().Count("undecryptable_events", 1)
		t.mu.Lock()
		defer t.mu.Unlock()
		t.parks.put(parked{missing.session, time.Now().Add(parkFor), in})
		return nil
	}
	if err != nil {
		return err
	}
	if !isCallType(plain.kind) {
		return nil
	}
	return t.handleCall(ctx, r, plain)
}

func asNoKeys(err error, into *errNoKeys) bool {
	e, ok := err.(errNoKeys) //nolint:errorlint // never wrapped
	*into = e
	return ok
}

// keysCame handles what waited for a session's keys.
func (t *term) keysCame(in id.RoomID, session string) {
	t.mu.Lock()
	waiting := t.parks.take(session, time.Now())
	t.mu.Unlock()
	if len(waiting) == 0 {
		return
	}
	t.background(func() {
		unlock, err := t.lock(t.ctx, in.String())
		if err != nil {
			return
		}
		defer unlock()
		for _, w := range waiting {
			r := t.roomOf(w.room)
			if r == nil {
				continue
			}
			t.log.Info("the keys of an event have come", "room", w.room, "event", w.id, "session", session)
			if err := t.handleEncrypted(t.ctx, r, w); err != nil {
				t.log.Info("event refused", "room", w.room, "event", w.id, "error", err)
			}
		}
	})
}

func (p *parking) put(c parked) {
	if len(p.cars) >= maxParked {
		p.cars = p.cars[1:]
	}
	p.cars = append(p.cars, c)
}

// take gives what waits for a session, and drops what has waited for too long.
func (p *parking) take(session string, now time.Time) (out []incoming) {
	var rest []parked
	for _, c := range p.cars {
		switch {
		case now.After(c.until):
		case c.session == session:
			out = append(out, c.in)
		default:
			rest = append(rest, c)
		}
	}
	p.cars = rest
	return out
}

// noCrypto is the crypto of a build without it.
type noCrypto struct{ t *term }

func (noCrypto) run(context.Context) {}

func (c noCrypto) ensure(_ context.Context, as id.UserID) {
	c.t.log.Warn("a room is encrypted, and this binary was built without encryption (-tags goolm)", "as", as)
}

func (noCrypto) encrypt(context.Context, id.UserID, id.RoomID, []id.UserID, string, json.RawMessage) (json.RawMessage, error) {
	return nil, errNoCrypto
}

func (noCrypto) decrypt(context.Context, id.UserID, incoming) (incoming, error) {
	return incoming{}, errNoCrypto
}

var errNoCrypto = schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "matrix: built without encryption (-tags goolm)") //nolint:gochecknoglobals // a sentinel
