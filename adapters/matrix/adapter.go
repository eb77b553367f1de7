package matrix

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"

	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Kind is the adapter's kind.
const Kind = "matrix"

// Spec describes the adapter.
func Spec() kit.Spec {
	return kit.Spec{
		Kind: Kind,
		// A room outlives the adapter, and whoever serves it next knows its calls.
		Features: &callv1.Features{
			Resumes: true, RemembersCalls: true, Durable: true, Renegotiates: true, Video: true,
		},
		Config: func() kit.Config { return Defaults() },
		New: func(c kit.Config, h kit.Host) (kit.Adapter, error) {
			cfg, ok := c.(*Config)
			if !ok {
				return nil, errors.New("matrix: another adapter's configuration")
			}
			return &Adapter{cfg: cfg, host: h, log: h.Log(), node: h.Node()}, nil
		},
	}
}

// Adapter implements kit.Adapter.
type Adapter struct {
	cfg  *Config
	host kit.Host
	log  *slog.Logger
	node string

	reg  *appservice.Registration
	hs   *api
	bot  id.UserID
	addr net.Addr
	// certificate is the port's; nil without one.
	certificate func(*tls.ClientHelloInfo) (*tls.Certificate, error)
	peers       *http.Transport // to the other nodes

	mu     sync.Mutex
	term   *term      // nil while another node serves
	holder leaseValue // who serves, as far as this node knows
}

// Run implements kit.Adapter: it serves the homeserver's port, and for as long as
// it has the lease the Matrix users.
func (a *Adapter) Run(ctx context.Context, ready func()) error {
	if !a.cfg.Enabled() {
		return schema.Invalid("homeserver", "is needed: Matrix is not configured")
	}
	if err := a.load(); err != nil {
		return err
	}
	defer a.hs.close()
	l, err := a.listen()
	if err != nil {
		return err
	}
	a.addr, a.peers = l.Addr(), a.peerTransport()
	defer a.peers.CloseIdleConnections()
	stopped := make(chan error, 1)
	web := a.webServer()
	go func() { stopped <- web.Serve(l) }() // ends with the server
	turns := make(chan struct{})
	standing, cancel := context.WithCancel(ctx)
	go func() { // ends with standing
		defer close(turns)
		a.takeTurns(standing)
	}()
	ready()
	var failed error
	select {
	case <-ctx.Done():
	case err := <-stopped:
		failed = fmt.Errorf("matrix: serving the homeserver: %w", err)
	}
	cancel()
	<-turns
	closing, done := context.WithTimeout(context.WithoutCancel(ctx), a.host.DrainTimeout()/2)
	defer done()
	if err := web.Shutdown(closing); err != nil {
		_ = web.Close()
	}
	return failed
}

// load reads the registration and makes what follows from it.
func (a *Adapter) load() (err error) {
	if a.reg, err = LoadRegistration(a.cfg.Registration); err != nil {
		return err
	}
	a.bot = id.NewUserID(a.reg.SenderLocalpart, a.cfg.ServerName)
	if a.hs, err = newAPI(a.cfg, a.reg.AppToken); err != nil {
		return err
	}
	prefix, err := ghostPrefix(a.reg, a.cfg.ServerName)
	if err != nil {
		return err
	}
	a.hs.prefix = prefix
	return nil
}

// takeTurns serves whenever this node has the lease.
func (a *Adapter) takeTurns(ctx context.Context) {
	l := &lease{a: a, instance: schema.NewID()}
	for l.stand(ctx) {
		a.log.Info("serving Matrix", "homeserver", a.cfg.Homeserver, "bot", a.bot)
		turn, cancel := context.WithCancel(ctx)
		kept := make(chan struct{})
		go func() { // ends with turn, or ends it
			defer close(kept)
			l.keep(turn)
			cancel()
		}()
		a.serve(turn)
		cancel()
		<-kept
		a.log.Info("no longer serving Matrix")
		if ctx.Err() != nil {
			l.release()
			return
		}
	}
}

// serve serves until ctx ends.
func (a *Adapter) serve(ctx context.Context) {
	t, err := newTerm(ctx, a)
	if err != nil {
		a.log.Error("cannot serve", "error", err)
		wait(ctx, time.Second) // before another try
		return
	}
	if !t.load() {
		t.close()
		return
	}
	a.mu.Lock()
	a.term = t
	a.mu.Unlock()
	t.start()
	<-ctx.Done()
	a.mu.Lock()
	a.term = nil
	a.mu.Unlock()
	t.close()
}

// serving gives the present term; nil while another node serves.
func (a *Adapter) serving() *term {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.term
}

func (a *Adapter) setHolder(v leaseValue) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.holder = v
}

// Deliver implements kit.Adapter.
func (a *Adapter) Deliver(ctx context.Context, e *callv1.Event) error {
	t := a.serving()
	if t == nil || !t.enter() {
		return schema.Errorf(callv1.Code_CODE_GONE, "another node serves Matrix")
	}
	defer t.leave()
	return t.deliver(ctx, e)
}

// ours reports whether a user is the bot or a ghost.
func (a *Adapter) ours(u id.UserID) bool {
	_, ghost := a.ghostOf(u)
	return ghost || u == a.bot
}

// ghostOf gives the address that a user of ours stands for; false if it is no ghost.
func (a *Adapter) ghostOf(u id.UserID) (schema.Address, bool) {
	localpart, server, err := u.Parse()
	if err != nil || server != a.cfg.ServerName {
		return schema.Address{}, false
	}
	return ghostAddress(a.hs.prefix, localpart)
}

// ghost gives the ghost of an address; false if the address has none.
func (a *Adapter) ghost(of schema.Address) (id.UserID, bool) {
	localpart, ok := ghostLocalpart(a.hs.prefix, of)
	return id.NewUserID(localpart, a.cfg.ServerName), ok
}
