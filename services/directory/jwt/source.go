package jwt

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

const (
	// maxSet bounds what is read of a JWK set.
	maxSet = 1 << 20
	// fetchTimeout bounds one try to read it.
	fetchTimeout = 5 * time.Second
	// maxRedirects is how often an address may say that the keys are elsewhere.
	maxRedirects = 3
)

// source reads a JWK set from where it is.
type source struct {
	where  string
	client *http.Client // nil: where is a file
}

// newSource makes a source without any I/O. base carries the requests; nil is
// the usual transport.
func newSource(where string, allowHTTP bool, base http.RoundTripper) source {
	if !strings.Contains(where, "://") {
		return source{where: where}
	}
	if base == nil {
		base = &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true, TLSHandshakeTimeout: fetchTimeout,
			MaxIdleConnsPerHost: 1, IdleConnTimeout: time.Minute, MaxResponseHeaderBytes: 64 << 10,
		}
	}
	return source{where: where, client: &http.Client{
		Timeout: fetchTimeout, Transport: base,
		CheckRedirect: func(r *http.Request, via []*http.Request) error {
			first := via[0].URL
			switch {
			case len(via) > maxRedirects:
				return errors.New("redirected too often")
			case r.URL.Scheme != "https" && !allowHTTP && (first.Scheme == "https" || r.URL.Host != first.Host):
				return errors.New("redirected to where there is no https")
			}
			return nil
		},
	}}
}

// read gives the set. It blocks, no longer than fetchTimeout for an address.
func (s source) read(ctx context.Context) (keySet, error) {
	data, err := s.bytes(ctx)
	if err != nil {
		return keySet{}, err
	}
	if len(data) > maxSet {
		return keySet{}, fmt.Errorf("larger than %d bytes", maxSet)
	}
	return parseKeySet(data)
}

func (s source) bytes(ctx context.Context) ([]byte, error) {
	if s.client == nil {
		f, err := os.Open(s.where)
		if err != nil {
			return nil, err //nolint:wrapcheck // names the file already
		}
		defer func() { _ = f.Close() }()
		return io.ReadAll(io.LimitReader(f, maxSet+1)) //nolint:wrapcheck // as above
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, s.where, nil)
	if err != nil {
		return nil, errors.New("the address cannot be used")
	}
	r.Header.Set("Accept", "application/jwk-set+json, application/json")
	r.Header.Set("User-Agent", "Tandem")
	res, err := s.client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) { // without the address, which may hold a secret
			err = u.Err
		}
		return nil, fmt.Errorf("asking for the keys: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("asking for the keys: answered %d", res.StatusCode)
	}
	data, err := io.ReadAll(io.LimitReader(res.Body, maxSet+1))
	if err != nil {
		return nil, fmt.Errorf("reading the keys: %w", err)
	}
	return data, nil
}

// close gives idle connections back.
func (s source) close() {
	if s.client != nil {
		s.client.CloseIdleConnections()
	}
}
