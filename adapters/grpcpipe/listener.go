package grpcpipe

import (
	"net"
	"sync"
	"sync/atomic"
)

// watched is a listener that tells of connections on which nobody asked for
// anything before they ended.
type watched struct {
	net.Listener
	silent func()

	open sync.Map // *watchedConn by the peer's address and port
}

// Accept implements net.Listener.
func (l *watched) Accept() (net.Conn, error) {
	c, err := l.Listener.Accept()
	if err != nil {
		return nil, err //nolint:wrapcheck // the listener's own
	}
	w := &watchedConn{Conn: c, of: l, name: c.RemoteAddr().String()}
	l.open.Store(w.name, w)
	return w, nil
}

// asked notes that a stream was opened on the connection of a peer.
func (l *watched) asked(peer net.Addr) {
	if c, ok := l.open.Load(peer.String()); ok {
		c.(*watchedConn).asked.Store(true) //nolint:forcetypeassert // nothing else is in it
	}
}

type watchedConn struct {
	net.Conn
	of    *watched
	name  string
	asked atomic.Bool
	once  sync.Once
}

// Close implements net.Conn.
func (c *watchedConn) Close() error {
	c.once.Do(func() {
		c.of.open.CompareAndDelete(c.name, c)
		if !c.asked.Load() {
			c.of.silent()
		}
	})
	return c.Conn.Close() //nolint:wrapcheck // the connection's own
}
