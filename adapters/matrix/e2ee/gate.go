package e2ee

import "net/http"

// gate lets requests of a device out only while everything it knows is stored:
// mautrix goes on after some failures to store.
type gate struct {
	v    *vault
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (g gate) RoundTrip(req *http.Request) (*http.Response, error) {
	if err := g.v.failed(); err != nil {
		if req.Body != nil {
			_ = req.Body.Close()
		}
		return nil, err
	}
	return g.next.RoundTrip(req)
}
