package sylkrtc

import (
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
)

// origins says which web pages may connect.
type origins struct {
	allowed []string // patterns, lower case
	// loopback: the port is reached from this machine only, and so are its
	// developers' pages on other ports of it.
	loopback bool
}

func newOrigins(patterns []string, loopback bool) origins {
	o := origins{loopback: loopback}
	for _, p := range patterns {
		o.allowed = append(o.allowed, strings.ToLower(p))
	}
	return o
}

// allow decides whether a page may connect (RFC 6454, RFC 6455 section 10.2).
// Clients that are not browsers send no Origin and are let in.
func (o origins) allow(r *http.Request) bool {
	sent := r.Header.Values("Origin")
	if len(sent) == 0 {
		return true
	}
	if len(sent) > 1 {
		return false
	}
	origin := strings.ToLower(sent[0])
	host, name := "", ""
	if u, err := url.Parse(origin); err == nil {
		host, name = u.Host, u.Hostname()
	}
	switch {
	case host != "" && strings.EqualFold(host, r.Host):
		return true
	case o.loopback && isLoopback(name):
		return true
	}
	for _, a := range o.allowed {
		if a == "*" {
			return true
		}
		subjects := []string{host, name, "[" + name + "]"}
		if host == "" || strings.Contains(a, "://") {
			subjects = []string{origin} // host == "": "null", of sandboxed pages and files
		}
		for _, s := range subjects {
			// First as it is: a pattern's brackets are also those of an IPv6 address.
			if a == s {
				return true
			}
			if ok, err := path.Match(a, s); ok && err == nil {
				return true
			}
		}
	}
	return false
}

// isLoopback reports whether a host is this machine by itself: localhost (RFC
// 6761 section 6.3), 127.0.0.0/8 or ::1.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip, err := netip.ParseAddr(host)
	return err == nil && ip.Unmap().IsLoopback()
}

// subprotocol picks the version to speak of those a client offers; "" if none.
func subprotocol(r *http.Request) version {
	offered := map[string]bool{}
	for _, line := range r.Header.Values("Sec-WebSocket-Protocol") {
		for p := range strings.SplitSeq(line, ",") {
			offered[strings.TrimSpace(p)] = true
		}
	}
	for _, v := range []version{v2, v1} {
		if offered[string(v)] {
			return v
		}
	}
	return ""
}
