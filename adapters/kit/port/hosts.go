package port

import (
	"net"
	"net/http"
	"net/netip"
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
)

// Hosts are the names by which browsers may call a port. A page whose name was
// made to point here (DNS rebinding) is of the same origin as we are, to its
// browser, but gives itself away by the name that it asks for.
type Hosts struct {
	names    []string
	loopback bool
	ips      bool
}

// NewHosts lets the given names pass; a leading "*." stands for any names below.
// Without any names, all pass, but on a port that only this machine can reach:
// there, localhost and loopback addresses pass besides the names given. IPv6
// addresses are written as they are, or in brackets.
func NewHosts(names []string, address net.Addr) Hosts {
	h := Hosts{loopback: address != nil && Loopback(address.String())}
	for _, n := range names {
		h.names = append(h.names, plain(strings.ToLower(strings.Trim(n, "[]"))))
	}
	return h
}

// Strict also refuses all names where none are given, and lets IP addresses pass,
// which no page can be served under by another: for ports that no browser needs.
func (h Hosts) Strict() Hosts {
	h.loopback, h.ips = true, true
	return h
}

// ValidateHosts reports a name that is none, as an error about a field.
func ValidateHosts(field string, names []string) error {
	for _, n := range names {
		ip, err := netip.ParseAddr(strings.Trim(n, "[]"))
		if err == nil && ip.Zone() == "" && strings.HasPrefix(n, "[") == strings.HasSuffix(n, "]") {
			continue
		}
		if bare := strings.TrimPrefix(n, "*."); bare == "" || strings.ContainsAny(bare, "*/:@[] ") {
			return schema.Invalid(field, "not a host name, without a port: %q", n)
		}
	}
	return nil
}

// Allow reports whether a request asks for a name that may pass.
func (h Hosts) Allow(r *http.Request) bool {
	if len(h.names) == 0 && !h.loopback {
		return true
	}
	name := plain(strings.TrimSuffix(strings.ToLower(hostname(r.Host)), "."))
	if h.loopback && loopbackName(name) {
		return true
	}
	if _, err := netip.ParseAddr(name); err == nil && h.ips {
		return true
	}
	return slices.ContainsFunc(h.names, func(n string) bool {
		if below, ok := strings.CutPrefix(n, "*"); ok {
			return strings.HasSuffix(name, below) && len(name) > len(below)
		}
		return n == name
	})
}

// Wrap answers 421 (RFC 9110 section 15.5.20) to requests for other names and
// tells refused, if it is not nil.
func (h Hosts) Wrap(next http.Handler, refused func()) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !h.Allow(r) {
			if refused != nil {
				refused()
			}
			http.Error(w, "this port does not go by that name", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Loopback reports whether an address host:port is on this machine only.
func Loopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	return err == nil && loopbackName(host)
}

// plain gives the one way to write an IP address, and leaves other names alone.
func plain(name string) string {
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.Unmap().String()
	}
	return name
}

// hostname gives a Host header without its port.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		return h
	}
	return strings.Trim(host, "[]")
}

// loopbackName reports whether a name is this machine by itself: localhost (RFC
// 6761 section 6.3), 127.0.0.0/8 or ::1.
func loopbackName(name string) bool {
	if name == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(name)
	return err == nil && ip.Unmap().IsLoopback()
}
