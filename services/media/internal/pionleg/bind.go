package pionleg

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path"
	"strconv"
	"time"

	"github.com/pion/ice/v4"
	pion "github.com/pion/transport/v4"
)

// socketBuffer is asked for in each direction; the kernel may give less.
const socketBuffer = 4 << 20

// lookUpWithin bounds how long an external address's name may take to be found.
const lookUpWithin = 10 * time.Second

// bind opens one socket for each local address, all on one port: a socket bound
// to a single address answers from the address it was asked at.
func (e *Engine) bind(network pion.Net) error {
	host, err := netip.ParseAddrPort(e.cfg.Listen)
	if err != nil {
		return fmt.Errorf("pionleg: listen address %q: %w", e.cfg.Listen, err)
	}
	addresses := []netip.Addr{host.Addr()}
	if host.Addr().IsUnspecified() {
		if addresses, err = localAddresses(e.cfg.Interfaces, e.cfg.IPv6); err != nil {
			return err
		}
	}
	conns, port, err := listenAll(addresses, host.Port())
	if err != nil {
		return fmt.Errorf("pionleg: %w", err)
	}
	muxes := make([]ice.UDPMux, 0, len(conns))
	for i, c := range conns {
		muxes = append(muxes, ice.NewUDPMuxDefault(ice.UDPMuxParams{
			Logger: e.logs.NewLogger("mux"), UDPConn: socket{c, e.guard}, Net: network,
		}))
		e.advertise = append(e.advertise, netip.AddrPortFrom(addresses[i], port))
	}
	if e.mux = muxes[0]; len(muxes) > 1 {
		e.mux = ice.NewMultiUDPMuxDefault(muxes...)
	}
	e.listen = netip.AddrPortFrom(host.Addr(), port)
	if len(e.cfg.External) > 0 {
		if e.advertise, err = externalAddresses(e.cfg.External, port); err != nil {
			_ = e.mux.Close()
			return err
		}
	}
	return nil
}

// listenAll binds the same port on all addresses; port 0 lets the kernel choose
// on the first.
func listenAll(addresses []netip.Addr, port uint16) ([]*net.UDPConn, uint16, error) {
	for attempt := 0; ; attempt++ {
		conns := make([]*net.UDPConn, 0, len(addresses))
		bound := port
		var err error
		for _, a := range addresses {
			var c *net.UDPConn
			if c, err = net.ListenUDP("udp", net.UDPAddrFromAddrPort(netip.AddrPortFrom(a, bound))); err != nil {
				break
			}
			_ = c.SetReadBuffer(socketBuffer)
			_ = c.SetWriteBuffer(socketBuffer)
			conns = append(conns, c)
			if local, ok := c.LocalAddr().(*net.UDPAddr); ok {
				bound = local.AddrPort().Port()
			}
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

// localAddresses are the addresses of the admitted interfaces that are up.
func localAddresses(patterns []string, v6 bool) ([]netip.Addr, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, fmt.Errorf("pionleg: %w", err)
	}
	var list, loopback []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || !admitted(i.Name, patterns) {
			continue
		}
		addresses, err := i.Addrs()
		if err != nil {
			continue
		}
		for _, a := range addresses {
			n, ok := a.(*net.IPNet)
			if !ok {
				continue
			}
			ip, ok := netip.AddrFromSlice(n.IP)
			ip = ip.Unmap()
			switch {
			case !ok, ip.Is6() && (!v6 || ip.IsLinkLocalUnicast()):
			case ip.IsLoopback():
				loopback = append(loopback, ip)
			default:
				list = append(list, ip)
			}
		}
	}
	// Loopback counts where it was asked for by name, or is all there is.
	if len(list) == 0 || len(patterns) > 0 {
		list = append(list, loopback...)
	}
	if len(list) == 0 {
		return nil, errors.New("pionleg: no interface has a usable address")
	}
	return list, nil
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

func externalAddresses(external []string, port uint16) ([]netip.AddrPort, error) {
	var list []netip.AddrPort
	for _, s := range external {
		if a, err := netip.ParseAddr(s); err == nil {
			list = append(list, netip.AddrPortFrom(a.Unmap(), port))
			continue
		}
		if a, err := netip.ParseAddrPort(s); err == nil {
			list = append(list, a)
			continue
		}
		named, err := lookUp(s, port)
		if err != nil {
			return nil, fmt.Errorf("pionleg: external address %q: %w", s, err)
		}
		list = append(list, named...)
	}
	return list, nil
}

// lookUp gives the IPv4 addresses of a host name, or of a host name and a port.
func lookUp(name string, port uint16) ([]netip.AddrPort, error) {
	if host, text, err := net.SplitHostPort(name); err == nil {
		n, err := strconv.ParseUint(text, 10, 16)
		if err != nil {
			return nil, fmt.Errorf("port: %w", err)
		}
		name, port = host, uint16(n)
	}
	ctx, cancel := context.WithTimeout(context.Background(), lookUpWithin)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip4", name)
	if err != nil {
		return nil, err
	}
	var list []netip.AddrPort
	for _, a := range found {
		list = append(list, netip.AddrPortFrom(a.Unmap(), port))
	}
	return list, nil
}
