package matrix

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// passOnTimeout bounds a request that is passed on. A transaction may take as long
// as the owners of its calls.
const passOnTimeout = 30 * time.Second

// passedOn marks a request that was passed on once, so that it goes no further.
const passedOn = "Tandem-Passed-On"

// passOn hands a request to the node that serves.
func (a *Adapter) passOn(w http.ResponseWriter, r *http.Request) {
	a.mu.Lock()
	holder := a.holder
	a.mu.Unlock()
	target, err := url.Parse(holder.URL)
	if err != nil || target.Host == "" || holder.Node == a.node || r.Header.Get(passedOn) != "" {
		refuse(w, http.StatusServiceUnavailable, "M_UNKNOWN", "This node stands by; try again")
		return
	}
	proxy := &httputil.ReverseProxy{
		Transport: a.peers,
		Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.Header.Set(passedOn, a.node)
		},
		ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			a.log.Info("the node that serves does not answer", "node", holder.Node, "error", err)
			refuse(w, http.StatusServiceUnavailable, "M_UNKNOWN", "The node that serves does not answer; try again")
		},
	}
	ctx, cancel := context.WithTimeout(r.Context(), passOnTimeout)
	defer cancel()
	proxy.ServeHTTP(w, r.WithContext(ctx))
}

// peerTransport reaches other nodes.
func (a *Adapter) peerTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone() //nolint:errcheck,forcetypeassert // documented type
	t.Proxy = nil                                        // they are near
	t.DialTLSContext = func(ctx context.Context, network, address string) (net.Conn, error) {
		host, _, err := net.SplitHostPort(address)
		if err != nil {
			return nil, fmt.Errorf("matrix: another node: %w", err)
		}
		d := tls.Dialer{Config: &tls.Config{
			MinVersion: tls.VersionTLS12, ServerName: host,
			InsecureSkipVerify: true, //nolint:gosec // VerifyConnection does it
			VerifyConnection:   func(s tls.ConnectionState) error { return a.verifyPeer(host, s.PeerCertificates) },
		}}
		return d.DialContext(ctx, network, address) //nolint:wrapcheck // says what it is already
	}
	return t
}

// verifyPeer tells whether who shows a certificate is another node. Nodes often have
// one certificate between them, for the name by which the homeserver calls whichever
// it gets, and addresses of their own that no certificate has. So who has this
// node's certificate, or one for that name, is as good as who has one for the
// address.
func (a *Adapter) verifyPeer(host string, chain []*x509.Certificate) error {
	if len(chain) == 0 {
		return errors.New("matrix: another node shows no certificate")
	}
	if a.certificate != nil {
		if own, err := a.certificate(nil); err == nil && bytes.Equal(own.Certificate[0], chain[0].Raw) {
			return nil
		}
	}
	between := x509.NewCertPool()
	for _, c := range chain[1:] {
		between.AddCert(c)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Intermediates: between})
	if u, parsed := url.Parse(a.reg.URL); err != nil && parsed == nil && u.Hostname() != "" {
		if _, named := chain[0].Verify(x509.VerifyOptions{DNSName: u.Hostname(), Intermediates: between}); named == nil {
			return nil
		}
	}
	return err //nolint:wrapcheck // says what it is already
}
