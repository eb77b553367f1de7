package matrix

import (
	"context"
	"encoding/json"
	"log/slog"
	"strings"
	"sync"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee"
)

// term is the time during which this node serves Matrix, and all it knows then.
// What it must not forget is in the store; the rest is learned again.
type term struct {
	a      *Adapter
	cfg    *Config
	log    *slog.Logger
	ctx    context.Context //nolint:containedctx // ends with the lease
	cancel context.CancelFunc

	out    *outbox
	keeper *e2ee.Keeper   // nil in a build without encryption
	work   sync.WaitGroup // of background

	mu     sync.Mutex // never held while anything blocks
	inside sync.WaitGroup
	closed bool

	rooms     map[id.RoomID]*room
	pairs     map[pair]*room // the room of a person and a user of ours
	calls     map[string]*call
	named     map[name]*call
	users     map[id.UserID]*user
	terminals map[string]*user
	known     map[id.UserID]string // ghosts that are registered, with their display names
	seen      *recent[id.EventID]
	hung      *recent[name] // calls that were hung up before they were heard of, or are over
	held      map[string]*roomLock
	parks     parking
	began     time.Time
}

// pair names the room of a person and a user of ours.
type pair struct{ person, own id.UserID }

// name is what a call is called in its room.
type name struct {
	room id.RoomID
	call string
}

func newTerm(ctx context.Context, a *Adapter) (*term, error) {
	t := &term{
		a: a, cfg: a.cfg, log: a.log,
		rooms: map[id.RoomID]*room{}, pairs: map[pair]*room{}, calls: map[string]*call{}, named: map[name]*call{},
		users: map[id.UserID]*user{}, terminals: map[string]*user{}, known: map[id.UserID]string{},
		seen: newRecent[id.EventID](maxSeen), hung: newRecent[name](maxSeen), held: map[string]*roomLock{},
		began: time.Now(),
	}
	t.ctx, t.cancel = context.WithCancel(ctx)
	t.out = newOutbox(t)
	var err error
	t.keeper, err = newKeeper(t)
	return t, err
}

// maxSeen is how many events and calls are remembered.
const maxSeen = 20000

func (t *term) store() kit.Store { return t.a.host.Store() }

// young reports whether events may come that a former start had begun to handle.
func (t *term) young() bool { return time.Since(t.began) < youth }

// youth is how long homeservers may wait before they tell a transaction again.
const youth = time.Minute

// enter registers a use of the term from outside; false once it is over.
func (t *term) enter() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return false
	}
	t.inside.Add(1)
	return true
}

func (t *term) leave() { t.inside.Done() }

// chore runs f, which is for one room or call, beside. A panic ends the chore alone.
func (t *term) chore(f func()) {
	t.background(func() { kit.Rescue(t.log, f) })
}

// background runs f beside, for as long as the term lasts.
func (t *term) background(f func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.closed {
		t.work.Go(f)
	}
}

// load reads what the nodes share; false when the term ended before that.
func (t *term) load() bool {
	for {
		err := t.readRecords()
		if err == nil {
			return true
		}
		t.log.Warn("cannot read what was stored", "error", err)
		if !wait(t.ctx, time.Second) {
			return false
		}
	}
}

func (t *term) readRecords() error {
	err := readAll(t.ctx, t.store(), roomPrefix, func(i kit.Item) {
		r := &room{}
		if json.Unmarshal(i.Value, r) != nil || r.ID == "" {
			t.log.Warn("unreadable room", "key", i.Key)
			return
		}
		r.stored = &record{key: i.Key, revision: i.Revision}
		t.rooms[r.ID] = r
		t.pairs[pair{r.User, r.Own}] = better(t.pairs[pair{r.User, r.Own}], r)
	})
	if err != nil {
		return err
	}
	err = readAll(t.ctx, t.store(), callPrefix, func(i kit.Item) {
		c := &call{resumed: true}
		if json.Unmarshal(i.Value, c) != nil || c.Leg == "" {
			t.log.Warn("unreadable call", "key", i.Key)
			return
		}
		c.stored = &record{key: i.Key, revision: i.Revision}
		t.calls[c.Leg], t.named[name{c.Room, c.CallID}] = c, c
	})
	if err != nil {
		return err
	}
	err = readAll(t.ctx, t.store(), ghostKey, func(i kit.Item) {
		localpart, ok := strings.CutPrefix(i.Key, ghostKey+"/")
		if ok {
			t.known[id.NewUserID(strings.ReplaceAll(localpart, "%2F", "/"), t.cfg.ServerName)] = string(i.Value)
		}
	})
	if err != nil {
		return err
	}
	return t.out.load(t.ctx)
}

// better gives the room of two in which calls shall ring.
func better(a, b *room) *room {
	if a == nil || b.Joined && (!a.Joined || a.Replaced && !b.Replaced) {
		return b
	}
	return a
}

// start begins to serve what was loaded.
func (t *term) start() {
	if t.keeper != nil {
		t.background(func() { _ = t.keeper.Run(t.ctx) }) // nil, by its contract
	}
	t.background(t.takeOver)
}

// close ends the term: who is inside leaves, what runs beside ends, and the users
// are no longer reachable here. Their calls go on elsewhere.
func (t *term) close() {
	t.cancel()
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	t.inside.Wait()
	t.work.Wait()
	t.out.close()
	t.mu.Lock()
	users := make([]*user, 0, len(t.users))
	for _, u := range t.users {
		users = append(users, u)
	}
	t.mu.Unlock()
	for _, u := range users {
		if u.detach != nil {
			u.detach(kit.Lost)
		}
	}
}
