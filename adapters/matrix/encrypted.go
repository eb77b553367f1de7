package matrix

import (
	"context"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// encrypted notes that a room is encrypted, which it stays for good.
func (t *term) encrypted(ctx context.Context, r *room) error {
	news := false
	err := t.update(ctx, r, func() bool {
		news = !r.Encrypted
		r.Encrypted = true
		return news
	})
	if err == nil && news {
		t.log.Info("room is encrypted", "room", r.ID, "as", r.Own)
		t.chore(func() { t.meet(r) })
	}
	return err
}

// readEncryption finds out whether a room is encrypted that we came to know now.
func (t *term) readEncryption(ctx context.Context, r *room) error {
	var algorithm map[string]any
	encrypted, err := t.a.hs.state(ctx, r.Own, r.ID, typeEncryption, &algorithm)
	if err != nil || !encrypted {
		return err
	}
	return t.encrypted(ctx, r)
}

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

// handleEncrypted takes an encrypted event of a person. One that cannot be decrypted
// now is handled when its keys come, which may be before that is known.
func (t *term) handleEncrypted(ctx context.Context, r *room, in incoming) error {
	if in.sender != r.User {
		return nil
	}
	session := sessionOf(in.data)
	t.mu.Lock()
	t.parks.put(parked{session, time.Now().Add(parkFor), in})
	t.mu.Unlock()
	plain, missing, err := t.decrypt(ctx, r.Own, in)
	switch {
	case missing:
		t.log.Info("an event cannot be decrypted yet: its keys are missing", "room", in.room, "event", in.id,
			"sender", in.sender, "session", session)
		t.a.host.Metrics().Count("undecryptable_events", 1)
		return nil
	case again(err) && time.Since(in.at) < parkFor: // our device is not ready; nobody else shall wait for that
		t.log.Info("an event cannot be decrypted yet", "room", in.room, "event", in.id, "error", err)
		t.chore(func() {
			if wait(t.ctx, decryptAgain) {
				t.keysCame(in.room, session)
			}
		})
		return nil
	}
	t.mu.Lock()
	mine := t.parks.drop(in.id)
	t.mu.Unlock()
	if err != nil {
		if again(err) {
			return schema.Errorf(callv1.Code_CODE_INTERNAL, "matrix: not decrypted in time: %w", err)
		}
		return err
	}
	if !mine || !isCallType(plain.kind) { // it was handled when its keys came
		return nil
	}
	return t.handleCall(ctx, r, plain)
}

// decryptAgain is when an event is tried again that our device was not ready for.
const decryptAgain = 2 * time.Second

// keysCame handles what waited for a session's keys.
func (t *term) keysCame(in id.RoomID, session string) {
	t.mu.Lock()
	waiting := t.parks.take(session, time.Now())
	t.mu.Unlock()
	if len(waiting) == 0 {
		return
	}
	t.chore(func() {
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

// drop takes an event out; false if it is not there.
func (p *parking) drop(e id.EventID) bool {
	for i, c := range p.cars {
		if c.in.id == e {
			p.cars = append(p.cars[:i:i], p.cars[i+1:]...)
			return true
		}
	}
	return false
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
