package matrixtest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// The versions of calls.
const (
	V0 = "0"
	V1 = "1"
)

// Options say what kind of client it is.
type Options struct {
	// Homeserver is the URL of the client-server API.
	Homeserver string
	// Bot is the application service's user: @tandem:example.org; with "" the user has
	// no line. Ghosts begins the localparts of the other users of its namespace.
	Bot, Ghosts string
	// Version is V0 or V1.
	Version string
	// Secret is the homeserver's shared secret: a user that is not there is made.
	// "": users are.
	Secret string
	// Trickle: descriptions come without candidates, which follow.
	Trickle bool
	// Accepts: the user joins every room that it is invited to.
	Accepts bool
	// AtOnce: a call is sent without waiting until the other side has joined the room.
	AtOnce bool
	// Glare makes an answer to an offer: the client settles calls that cross by
	// itself, as matrix-js-sdk does where an invite says whom it is for. nil: it does
	// not.
	Glare func(offer string) (answer string, err error)
	// CallID makes the names of calls; nil: random.
	CallID func() string
}

// Client is a device. Methods may be called from any goroutine, but for SignIn.
type Client struct {
	o     Options
	api   *api
	party string

	mu      sync.Mutex
	change  chan struct{}                // closed and replaced whenever something has come
	members map[string]map[string]string // memberships of the rooms it has joined
	calls   map[string]*Call             // by name
	rung    []*Call                      // that nobody has asked for yet
	bad     []error
	err     error
	txn     int
	stalled bool

	gate sync.Mutex // is held while what came is taken

	life   context.Context //nolint:containedctx // the connection's
	stop   context.CancelFunc
	synced chan struct{} // closed when there is nothing more to come
}

// Dial makes a client that has not signed in.
func Dial(o Options) *Client {
	c := &Client{
		o: o, api: newAPI(o.Homeserver), party: rand.Text()[:10], change: make(chan struct{}),
		members: map[string]map[string]string{}, calls: map[string]*Call{},
	}
	c.life, c.stop = context.WithCancel(context.Background())
	return c
}

// LocalpartOf is the name that an account has on the homeserver.
func LocalpartOf(a kittest.Account) string {
	user, _, _ := strings.Cut(a.AOR, "@")
	return strings.ToLower(user)
}

// SignIn implements kittest.Client: it makes a session, and the user's line if there
// is none.
func (c *Client) SignIn(ctx context.Context, a kittest.Account) error {
	err := c.enter(ctx, LocalpartOf(a), a.Token)
	var e *Error
	if errors.As(err, &e) && e.Code == "M_FORBIDDEN" {
		return schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "%s", e.Message)
	}
	if err != nil {
		return err
	}
	first, err := c.api.sync(ctx, "")
	if err != nil {
		return err
	}
	c.take(first, true)
	c.synced = make(chan struct{})
	go c.poll(first.Next)
	if c.o.Bot == "" {
		return nil
	}
	room := c.roomWith(c.o.Bot)
	if room == "" {
		if room, err = c.api.createRoom(ctx, c.o.Bot); err != nil {
			return err
		}
	}
	joined, err := c.joins(ctx, room, c.o.Bot)
	if err == nil && !joined {
		err = schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "the bot declined")
	}
	return err
}

func (c *Client) enter(ctx context.Context, name, password string) error {
	if c.o.Secret == "" {
		return c.api.login(ctx, name, password)
	}
	err := c.api.register(ctx, c.o.Secret, name, password)
	var e *Error
	if errors.As(err, &e) && e.Status == http.StatusBadRequest {
		return c.api.login(ctx, name, password) // the user is there
	}
	return err
}

// User is the id of the user.
func (c *Client) User() string { return c.api.user }

// roomWith gives a room of the user and another that both have joined; "" if there is
// none.
func (c *Client) roomWith(other string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, room := range slices.Sorted(maps.Keys(c.members)) {
		m := c.members[room]
		if len(m) == 2 && m[other] == "join" && m[c.api.user] == "join" {
			return room
		}
	}
	return ""
}

// joins waits until another has joined a room; false: it does not want to.
func (c *Client) joins(ctx context.Context, room, other string) (bool, error) {
	invited, joined := false, false
	err := c.until(ctx, func() bool {
		m := c.members[room][other]
		invited = invited || m == "invite"
		joined = m == "join"
		return joined || m == "leave" || m == "ban"
	})
	return joined, err
}

// until waits until f, called with c.mu held, is true.
func (c *Client) until(ctx context.Context, f func() bool) error {
	for {
		c.mu.Lock()
		ok, err, change := f(), c.err, c.change
		c.mu.Unlock()
		switch {
		case ok:
			return nil
		case err != nil:
			return err
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// news wakes those that wait. c.mu is held.
func (c *Client) news() {
	close(c.change)
	c.change = make(chan struct{})
}

// poll listens until the client is closed.
func (c *Client) poll(since string) {
	defer close(c.synced)
	for {
		s, err := c.api.sync(c.life, since)
		c.mu.Lock()
		stalled := c.stalled
		c.mu.Unlock()
		if stalled {
			<-c.life.Done()
		}
		var refused *Error
		if err != nil && c.life.Err() == nil && !errors.As(err, &refused) {
			c.pause() // the homeserver is away
			continue
		}
		if c.life.Err() != nil || err != nil {
			c.mu.Lock()
			c.err = errors.Join(errClosed, err)
			c.news()
			c.mu.Unlock()
			return
		}
		since = s.Next
		c.take(s, false)
	}
}

// pause waits before the homeserver is asked again that did not answer.
func (c *Client) pause() {
	t := time.NewTimer(50 * time.Millisecond)
	defer t.Stop()
	select {
	case <-t.C:
	case <-c.life.Done():
	}
}

var errClosed = errors.New("the client is closed")

// Stall implements kittest.Client.
func (c *Client) Stall() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stalled = true
}

// SignOut implements kittest.Client: the user leaves all rooms, and can be called no
// more.
func (c *Client) SignOut(ctx context.Context) error {
	c.mu.Lock()
	rooms := slices.Sorted(maps.Keys(c.members))
	c.mu.Unlock()
	var errs []error
	for _, room := range rooms {
		errs = append(errs, c.api.leave(ctx, room))
	}
	return errors.Join(errs...)
}

// Close implements kittest.Client: the device is gone, and nobody is told.
func (c *Client) Close() {
	c.stop()
	if c.synced != nil {
		<-c.synced
	}
	c.api.transport.CloseIdleConnections()
}

// Complaints gives what is wrong with what it was sent.
func (c *Client) Complaints() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(c.bad...)
}

// complain notes what is wrong. c.mu is held.
func (c *Client) complain(format string, args ...any) {
	c.bad = append(c.bad, fmt.Errorf(format, args...))
}

// Send sends an event of any kind into a room: "" is the user's line.
func (c *Client) Send(ctx context.Context, room, eventType string, content any) error {
	if room == "" {
		room = c.roomWith(c.o.Bot)
	}
	return c.send(ctx, room, eventType, content)
}

// Do asks the client-server API as this device: path is what follows /_matrix/client/v3.
// in and out are JSON; nil for none.
func (c *Client) Do(ctx context.Context, method, path string, in, out any) error {
	return c.api.do(ctx, method, v3+path, in, out)
}

func (c *Client) send(ctx context.Context, room, eventType string, content any) error {
	c.mu.Lock()
	c.txn++
	txn := fmt.Sprintf("%s-%d", c.party, c.txn)
	c.mu.Unlock()
	return c.api.send(ctx, room, eventType, txn, content)
}
