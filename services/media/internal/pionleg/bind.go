package pionleg

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"syscall"
	"time"

	"github.com/pion/ice/v4"
	pion "github.com/pion/transport/v4"
)

// socketBuffer is asked for in each direction; the kernel may give less.
const socketBuffer = 4 << 20

// bind opens one socket for each local address, all on one port: a socket bound
// to a single address answers from the address it was asked at.
func (e *Engine) bind(network pion.Net) error {
	host, err := netip.ParseAddrPort(e.cfg.Listen)
	if err != nil {
		return fmt.Errorf("media.listen: %q: %w", e.cfg.Listen, err)
	}
	addresses, wait := []netip.Addr{host.Addr().Unmap()}, time.Duration(0)
	if host.Addr().IsUnspecified() {
		wait = settleWithin
		// [::] is both families, as for any port.
		if addresses, err = localAddresses(e.cfg.Interfaces, e.cfg.IPv6 || host.Addr().Is6()); err != nil {
			return err
		}
	}
	conns, port, err := listenAll(addresses, host.Port(), wait)
	if err != nil {
		return fmt.Errorf("media.listen: %w", err)
	}
	muxes := make([]ice.UDPMux, 0, len(conns))
	addresses = addresses[:0]
	for _, c := range conns {
		muxes = append(muxes, ice.NewUDPMuxDefault(ice.UDPMuxParams{
			Logger: e.logs.NewLogger("mux"), UDPConn: socket{c, e.guard}, Net: network,
		}))
		addresses = append(addresses, local(c).Addr())
		e.advertise = append(e.advertise, netip.AddrPortFrom(local(c).Addr(), port))
	}
	if e.mux = muxes[0]; len(muxes) > 1 {
		e.mux = ice.NewMultiUDPMuxDefault(muxes...)
	}
	e.listen = netip.AddrPortFrom(host.Addr(), port)
	if len(e.cfg.External) > 0 {
		if e.advertise, err = externalAddresses(e.cfg.External, port, addresses); err != nil {
			_ = e.mux.Close()
			return err
		}
	}
	return nil
}

// settleWithin bounds how long an address may take to be usable after it is there:
// the kernel makes sure first that nobody else has it (RFC 4862 section 5.4).
const (
	settleWithin = 3 * time.Second
	settleEvery  = 100 * time.Millisecond
)

// listenAll binds the same port on all addresses; port 0 lets the kernel choose
// on the first. With wait, an address that is not usable by then is left out.
func listenAll(addresses []netip.Addr, port uint16, wait time.Duration) ([]*net.UDPConn, uint16, error) {
	for attempt := 0; ; attempt++ {
		conns := make([]*net.UDPConn, 0, len(addresses))
		bound := port
		var err, unusable error
		for _, a := range addresses {
			var c *net.UDPConn
			if c, err = listenOn(netip.AddrPortFrom(a, bound), wait); err != nil {
				if wait > 0 && errors.Is(err, syscall.EADDRNOTAVAIL) {
					err, unusable = nil, err
					continue
				}
				break
			}
			_ = c.SetReadBuffer(socketBuffer)
			_ = c.SetWriteBuffer(socketBuffer)
			conns = append(conns, c)
			bound = local(c).Port()
		}
		if err == nil && len(conns) == 0 {
			return nil, 0, unusable
		}
		if err == nil {
			return conns, bound, nil
		}
		for _, c := range conns {
			_ = c.Close()
		}
		if port != 0 || attempt >= 10 {
			return nil, 0, err
		}
	}
}

// listenOn binds one address, and waits for it to be usable.
func listenOn(a netip.AddrPort, wait time.Duration) (*net.UDPConn, error) {
	for deadline := time.Now().Add(wait); ; time.Sleep(settleEvery) {
		c, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(a))
		if err == nil || !errors.Is(err, syscall.EADDRNOTAVAIL) || time.Now().After(deadline) {
			return c, err //nolint:wrapcheck // says address and reason
		}
	}
}

// local is the address that a socket is bound to.
func local(c *net.UDPConn) netip.AddrPort {
	a, _ := c.LocalAddr().(*net.UDPAddr)
	at := a.AddrPort()
	return netip.AddrPortFrom(at.Addr().Unmap(), at.Port())
}

// localAddresses are the addresses of the admitted interfaces that are up.
func localAddresses(patterns []string, v6 bool) ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("pionleg: %w", err)
	}
	var found []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || !admitted(i.Name, patterns) {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			if n, ok := a.(*net.IPNet); ok {
				if ip, ok := netip.AddrFromSlice(n.IP); ok {
					found = append(found, ip.Unmap())
				}
			}
		}
	}
	list := usable(found, v6, len(patterns) > 0)
	if len(list) == 0 {
		return nil, errors.New("media.interfaces: none has a usable address")
	}
	return list, nil
}

// usable gives the addresses to listen on: IPv4, and IPv6 where v6 asks for it or
// there is nothing else; none that are good for one link only. Loopback counts
// where it was asked for by name, or is all there is.
func usable(found []netip.Addr, v6, named bool) []netip.Addr {
	var list, six, loopback []netip.Addr
	for _, ip := range found {
		switch {
		case ip.Is6() && ip.IsLinkLocalUnicast():
		case ip.IsLoopback():
			if ip.Is4() || v6 {
				loopback = append(loopback, ip)
			}
		case ip.Is6():
			six = append(six, ip)
		default:
			list = append(list, ip)
		}
	}
	if v6 || len(list) == 0 && !(named && len(loopback) > 0) {
		list = append(list, six...)
	}
	if len(list) == 0 || named {
		list = append(list, loopback...)
	}
	return list
}

func admitted(name string, patterns []string) bool {
	if len(patterns) == 0 {
		return true
	}
	for _, p := range patterns {
		if ok, err := path.Match(p, name); err == nil && ok {
			return true
		}
	}
	return false
}
