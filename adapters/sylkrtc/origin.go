package sylkrtc

import (
	"net/http"
	"net/url"
	"path"
	"strings"
)

// allowedOrigin decides whether a page may connect (RFC 6454, RFC 6455 section
// 10.2). Clients that are not browsers send no Origin and are let in.
func allowedOrigin(r *http.Request, allowed []string) bool {
	origins := r.Header.Values("Origin")
	if len(origins) == 0 {
		return true
	}
	if len(origins) > 1 {
		return false
	}
	origin := strings.ToLower(origins[0])
	u, err := url.Parse(origin)
	host := ""
	if err == nil {
		host = u.Host
	}
	if host != "" && strings.EqualFold(host, r.Host) {
		return true
	}
	for _, a := range allowed {
		a = strings.ToLower(a)
		if a == "*" {
			return true
		}
		subject := host
		if strings.Contains(a, "://") || host == "" {
			subject = origin // host == "": "null", of sandboxed pages and files
		}
		if ok, err := path.Match(a, subject); ok && err == nil {
			return true
		}
	}
	return false
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
