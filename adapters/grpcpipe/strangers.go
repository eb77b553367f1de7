package grpcpipe

import (
	"context"
	"strings"
	"sync"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

const (
	// signInsPerConnection is how many streams of one connection can be at sign-in;
	// the others wait, so that one connection's crowd is no other's.
	signInsPerConnection = 16
	// askersPerConnection is how many streams of health and reflection one
	// connection can have. Of those that last, the node has MaxAskers; a check of the
	// health finds room on a connection of its own, lest strangers make a node look
	// ill.
	askersPerConnection = 8
)

// strangers bounds what peers can do that have not signed in.
type strangers struct {
	mu          sync.Mutex
	connections map[*peer.Peer]*connection // those with a stranger's stream
	askers      int                        // of all, that last
}

// connection is what its strangers' streams share.
type connection struct {
	users   int
	askers  int
	signIns chan struct{}
}

// enter gives the connection of a stream; leave gives it back. grpc-go has one
// Peer for all streams of a connection.
func (s *strangers) enter(ctx context.Context) (c *connection, leave func()) {
	p, _ := peer.FromContext(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	if c = s.connections[p]; c == nil {
		c = &connection{signIns: make(chan struct{}, signInsPerConnection)}
		s.connections[p] = c
	}
	c.users++
	return c, func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		if c.users--; c.users == 0 {
			delete(s.connections, p)
		}
	}
}

// signIn waits for a stream's turn to sign in, and calls f; or gives up with ctx.
func (s *strangers) signIn(ctx context.Context, f func() error) error {
	c, leave := s.enter(ctx)
	defer leave()
	select {
	case c.signIns <- struct{}{}:
		defer func() { <-c.signIns }()
		return f()
	case <-ctx.Done():
		return ctx.Err()
	}
}

// ask counts a stream of health or reflection in, if there is room; one that lasts
// among the most that the node has.
func (s *strangers) ask(ctx context.Context, lasts bool, most int) (done func(), ok bool) {
	c, leave := s.enter(ctx)
	room := func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		if lasts && s.askers >= most || c.askers >= askersPerConnection {
			return false
		}
		if lasts {
			s.askers++
		}
		c.askers++
		return true
	}
	if !room() {
		leave()
		return nil, false
	}
	return func() {
		s.mu.Lock()
		if lasts {
			s.askers--
		}
		c.askers--
		s.mu.Unlock()
		leave()
	}, true
}

// forTerminals reports whether a method is one that a terminal signs in to.
func forTerminals(method string) bool {
	return strings.HasPrefix(method, "/"+wgtwo.WebTerminalService_ServiceDesc.ServiceName+"/")
}

// tap gives what needs no sign-in a time to be done in: a request that comes
// slowly, or never to its end, holds memory.
func (a *Adapter) tap(ctx context.Context, info *tap.Info) (context.Context, error) {
	if p, ok := peer.FromContext(ctx); ok {
		a.connections.asked(p.Addr)
	}
	if forTerminals(info.FullMethodName) {
		return ctx, nil
	}
	within := a.cfg.Handshake
	if info.FullMethodName == healthv1.Health_Watch_FullMethodName {
		within = a.cfg.Idle
	}
	ctx, cancel := context.WithTimeout(ctx, within)
	context.AfterFunc(ctx, cancel) // the stream's end ends it
	return ctx, nil
}

// askers bounds how many streams there are that need no sign-in.
func (a *Adapter) askers(srv any, st grpc.ServerStream, info *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	if forTerminals(info.FullMethod) {
		return rescue(a.host.Log(), func() error { return next(srv, st) })
	}
	lasts := info.FullMethod != healthv1.Health_Check_FullMethodName && info.FullMethod != healthv1.Health_List_FullMethodName
	done, ok := a.strangers.ask(st.Context(), lasts, a.cfg.MaxAskers)
	if !ok {
		a.host.Metrics().Count("streams_refused", 1)
		return status.Error(codes.ResourceExhausted, "too many streams that nobody has signed in to")
	}
	defer done()
	return next(srv, st)
}
