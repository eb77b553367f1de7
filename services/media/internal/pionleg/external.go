package pionleg

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// External is an address by which terminals reach an engine.
type External struct {
	// IP is the address, or Name a host name that stands for some.
	IP   netip.Addr
	Name string
	// Port is 0 where it is the engine's own.
	Port uint16
}

// hostName is a host name (RFC 1123) that cannot be taken for a mistyped IPv4
// address: its last label is no number.
var hostName = regexp.MustCompile(`^([a-zA-Z0-9_]([a-zA-Z0-9_-]*[a-zA-Z0-9])?\.)*[a-zA-Z]([a-zA-Z0-9-]*[a-zA-Z0-9])?\.?$`)

// ParseExternal reads IP, IP:port, name or name:port. IPv6 with a port is in
// brackets; any other host may be too, so that who writes one down for others need
// not know what it is.
func ParseExternal(text string) (External, bool) {
	var e External
	host := text
	if _, err := netip.ParseAddr(text); err != nil {
		if h, port, err := net.SplitHostPort(text); err == nil {
			n, err := strconv.ParseUint(port, 10, 16)
			if err != nil {
				return e, false
			}
			host, e.Port = h, uint16(n)
		} else if inner, ok := strings.CutPrefix(text, "["); ok {
			if host, ok = strings.CutSuffix(inner, "]"); !ok {
				return e, false
			}
		}
	}
	if ip, err := netip.ParseAddr(host); err == nil {
		e.IP = ip.Unmap()
		return e, ip.Zone() == ""
	}
	e.Name = host
	return e, len(host) <= 253 && hostName.MatchString(host)
}

// lookUpWithin bounds how long an external address's name may take to be found.
const lookUpWithin = 10 * time.Second

// externalAddresses gives what to announce of an engine with a port that listens on
// the given addresses.
func externalAddresses(external []string, port uint16, listens []netip.Addr) ([]netip.AddrPort, error) {
	var list []netip.AddrPort
	for _, text := range external {
		e, ok := ParseExternal(text)
		if !ok {
			return nil, fmt.Errorf("pionleg: external address %q is none", text)
		}
		if e.Port == 0 {
			e.Port = port
		}
		if e.IP.IsValid() {
			list = append(list, netip.AddrPortFrom(e.IP, e.Port))
			continue
		}
		found, err := lookUp(e.Name, families(listens))
		if err != nil {
			return nil, fmt.Errorf("media.external_ip: %q: %w", text, err)
		}
		for _, ip := range found {
			list = append(list, netip.AddrPortFrom(ip, e.Port))
		}
	}
	return list, nil
}

// families names the families of addresses, as for a look-up of names.
func families(addresses []netip.Addr) string {
	four := slices.ContainsFunc(addresses, netip.Addr.Is4)
	six := slices.ContainsFunc(addresses, netip.Addr.Is6)
	switch {
	case four && six:
		return "ip"
	case six:
		return "ip6"
	}
	return "ip4"
}

// lookUp gives the addresses of a host name, IPv4 first: the first one is where
// terminals without ICE would send to.
func lookUp(name, families string) ([]netip.Addr, error) {
	ctx, cancel := context.WithTimeout(context.Background(), lookUpWithin)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, families, name)
	if err != nil {
		return nil, err //nolint:wrapcheck // says name and reason
	}
	for i, ip := range found {
		found[i] = ip.Unmap().WithZone("")
	}
	slices.SortStableFunc(found, func(a, b netip.Addr) int { return a.BitLen() - b.BitLen() })
	return found, nil
}
