package matrix

import (
	"context"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// user is a Matrix user who can be reached here: one terminal, whatever number of
// devices it has.
type user struct {
	id        id.UserID
	principal *callv1.Principal
	terminal  string
	shown     string // display name as the directory was told
	detach    func(kit.DetachReason)

	tokens float64 // calls that it may place now
	filled time.Time
}

// address gives a user's canonical address.
func address(u id.UserID) (schema.Address, error) {
	return schema.ParseDialled(u.String(), "") //nolint:wrapcheck // a *schema.Error
}

// ensureUser makes a user known to the directory and reachable, and returns it.
// own is a user of ours that shares a room with it. Errors: CODE_FORBIDDEN,
// CODE_OVERLOAD, CODE_RETRY.
func (t *term) ensureUser(ctx context.Context, person, own id.UserID) (*user, error) {
	unlock, err := t.lock(ctx, person.String()) // one at a time
	if err != nil {
		return nil, err
	}
	defer unlock()
	t.mu.Lock()
	u, n := t.users[person], len(t.users)
	t.mu.Unlock()
	if u != nil {
		return u, nil
	}
	if n >= t.cfg.MaxUsers {
		return nil, schema.Errorf(callv1.Code_CODE_OVERLOAD, "matrix: max_users are reached")
	}
	shown, err := t.a.hs.nameOf(ctx, own, person)
	if err != nil {
		t.log.Info("no display name", "user", person, "error", err) // it comes with the next start
	}
	p, err := t.authenticate(ctx, person, shown)
	if err != nil {
		return nil, err
	}
	return t.attach(ctx, &user{
		id: person, principal: p, shown: shown, terminal: schema.NewID(),
		tokens: float64(t.cfg.CallsPerMinute), filled: time.Now(),
	})
}

// authenticate has the directory say which subscriber a user is. That it is this
// user, the homeserver vouches for.
func (t *term) authenticate(ctx context.Context, person id.UserID, shown string) (*callv1.Principal, error) {
	a, err := address(person)
	if err != nil {
		return nil, err
	}
	return t.a.host.Authenticate(ctx, &callv1.Credentials{Proof: &callv1.Credentials_Asserted{ //nolint:wrapcheck // has a code
		Asserted: &callv1.Asserted{Address: a.String(), DisplayName: shown},
	}})
}

// attach makes a user reachable. It is known here before that: calls may come
// before Attach has returned.
func (t *term) attach(ctx context.Context, u *user) (*user, error) {
	t.mu.Lock()
	t.users[u.id], t.terminals[u.terminal] = u, u
	t.mu.Unlock()
	_, detach, err := t.a.host.Attach(ctx, &callv1.Terminal{
		Id: u.terminal, Subscriber: u.principal.GetSubscriber(), Rings: true,
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		delete(t.users, u.id)
		delete(t.terminals, u.terminal)
		return nil, err //nolint:wrapcheck // has a code
	}
	u.detach = detach
	if t.closed { // close has not seen it
		detach(kit.Lost)
		return nil, schema.Errorf(callv1.Code_CODE_RETRY, "matrix: this node has stopped to serve")
	}
	t.a.host.Metrics().Gauge("users", len(t.users))
	return u, nil
}

// renamed tells the directory a user's new display name.
func (t *term) renamed(ctx context.Context, person id.UserID, shown string) {
	shown = schema.CleanText(shown, schema.DefaultLimits().DisplayName)
	t.mu.Lock()
	u := t.users[person]
	same := u == nil || u.shown == shown || shown == ""
	t.mu.Unlock()
	if same {
		return
	}
	p, err := t.authenticate(ctx, person, shown)
	if err != nil {
		t.log.Info("the directory does not take a new display name", "user", person, "error", err)
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if p.GetSubscriber() == u.principal.GetSubscriber() {
		u.principal, u.shown = p, shown
	}
}

// forgetUser makes a user unreachable that has left its last room with us.
func (t *term) forgetUser(person id.UserID) {
	t.mu.Lock()
	u := t.users[person]
	for _, r := range t.rooms {
		if r.User == person && r.Joined {
			u = nil
		}
	}
	if u == nil || u.detach == nil {
		t.mu.Unlock()
		return
	}
	delete(t.users, person)
	delete(t.terminals, u.terminal)
	t.a.host.Metrics().Gauge("users", len(t.users))
	t.mu.Unlock()
	t.log.Info("user can no longer be reached: it has left its rooms", "user", person)
	u.detach(kit.SignedOut)
}

// verdict is what becomes of a call that a user places.
type verdict int

const (
	granted verdict = iota
	refused         // with an answer
	ignored         // without one: answers would be what a flood wants
)

// admit counts a call that a user places. It is a bucket of CallsPerMinute that
// fills in a minute, and may go into debt by as much before calls are ignored.
func (t *term) admit(u *user, now time.Time) verdict {
	t.mu.Lock()
	defer t.mu.Unlock()
	limit := float64(t.cfg.CallsPerMinute)
	u.tokens = min(limit, u.tokens+limit*now.Sub(u.filled).Minutes())
	u.filled = now
	switch {
	case u.tokens >= 1:
		u.tokens--
		return granted
	case u.tokens > -limit:
		u.tokens--
		return refused
	}
	return ignored
}
