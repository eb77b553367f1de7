package port

import (
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Limits bound the connections of a port.
type Limits struct {
	// Total is how many there may be at once, PerAddress how many of one peer's
	// address; 0 for no limit.
	Total, PerAddress int
	// Budget, if it is not nil, is shared with other ports.
	Budget *Budget
	// Refused, if it is not nil, is told of each connection over a limit, which is
	// closed at once. It must not block.
	Refused func()
	// Log, if it is not nil, hears when connections come that cannot be taken, as
	// where files may not be opened any more: once a minute.
	Log *slog.Logger
}

// tellEvery is how often it is told that connections cannot be taken.
const tellEvery = time.Minute

// Wrap gives a listener that keeps the limits.
func (l Limits) Wrap(inner net.Listener) net.Listener {
	if l.Total <= 0 && l.PerAddress <= 0 && l.Budget == nil && l.Log == nil {
		return inner
	}
	return &limited{Listener: inner, limits: l, peers: map[netip.Addr]int{}}
}

type limited struct {
	net.Listener
	limits Limits

	mu    sync.Mutex
	total int
	peers map[netip.Addr]int
	told  time.Time
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	for {
		c, err := l.Listener.Accept()
		if err != nil {
			l.tell(err)
			return nil, err //nolint:wrapcheck // the listener's own
		}
		peer := addressOf(c)
		if l.enter(peer) {
			return &counted{Conn: c, leave: sync.OnceFunc(func() { l.leave(peer) })}, nil
		}
		_ = c.Close() // nothing was said
		if l.limits.Refused != nil {
			l.limits.Refused()
		}
	}
}

// tell logs why a connection could not be taken. Servers try on and say nothing.
func (l *limited) tell(err error) {
	if l.limits.Log == nil || errors.Is(err, net.ErrClosed) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if now := time.Now(); l.told.IsZero() || now.Sub(l.told) >= tellEvery {
		l.told = now
		l.limits.Log.Warn("connections cannot be taken", "address", l.Addr().String(), "error", err)
	}
}

func (l *limited) enter(peer netip.Addr) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.limits.Total > 0 && l.total >= l.limits.Total || l.limits.PerAddress > 0 && l.peers[peer] >= l.limits.PerAddress ||
		!l.limits.Budget.take(l.total) {
		return false
	}
	l.total++
	l.peers[peer]++
	return true
}

func (l *limited) leave(peer netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total--
	l.limits.Budget.give(l.total)
	if l.peers[peer]--; l.peers[peer] == 0 {
		delete(l.peers, peer)
	}
}

// counted is a connection that counts until it is closed.
type counted struct {
	net.Conn
	leave func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close() //nolint:wrapcheck // the connection's own
}

func addressOf(c net.Conn) netip.Addr { return Peer(c.RemoteAddr().String()) }

// Peer gives the address by which a peer's connections are counted, out of its
// host:port; the zero Addr if that is none. Of an IPv6 address only the network
// counts (64 bits), which one host has to itself.
func Peer(remote string) netip.Addr {
	a, err := netip.ParseAddrPort(remote)
	if err != nil {
		return netip.Addr{}
	}
	ip := a.Addr().Unmap().WithZone("")
	if ip.Is6() && !ip.IsLoopback() {
		if net64, err := ip.Prefix(64); err == nil {
			return net64.Addr()
		}
	}
	return ip
}
