package jwt

import (
	"bytes"
	"crypto/rsa"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-rtc/tandem/services/directory"
)

// server is an issuer's web server without a network: it answers with body, or
// fails with err.
type server struct {
	mu    sync.Mutex
	body  []byte
	err   error
	delay time.Duration
	asked int
}

func (s *server) RoundTrip(r *http.Request) (*http.Response, error) {
	s.mu.Lock()
	s.asked++
	body, err, delay := s.body, s.err, s.delay
	s.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
		return nil, r.Context().Err()
	}
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(bytes.NewReader(body)), Request: r}, nil
}

func (s *server) set(body []byte, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.body, s.err = body, err
}

func (s *server) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// watched is a verifier in a bubble whose issuer is a server.
type watched struct {
	*Verifier
	t      *testing.T
	counts map[string]int
	log    bytes.Buffer
}

func watch(t *testing.T, s *server) *watched {
	w := &watched{t: t, counts: map[string]int{}}
	w.Verifier = New([]directory.JWTIssuer{issuerOf("https://id.example.org/jwks")}, Env{
		Log: slog.New(slog.NewTextHandler(&w.log, nil)), Transport: s, KeysRead: func(outcome string) { w.counts[outcome]++ },
	})
	run(t, w.Verifier)
	synctest.Wait()
	return w
}

// token makes one that is valid now, signed with a key under an id.
func (w *watched) token(kid string, key *rsa.PrivateKey) string {
	return sign(w.t, object{"alg": "RS256", "kid": kid}, good().with(object{
		"iat": nil, "exp": time.Now().Add(1000 * time.Hour).Unix(),
	}), key)
}

// try verifies a token and waits for the keys where it must.
func (w *watched) try(token string) error {
	_, fetched, err := w.Verify(token, time.Now())
	if fetched != nil {
		<-fetched
		_, fetched, err = w.Verify(token, time.Now())
		if fetched != nil {
			return errors.New("still to be fetched")
		}
	}
	return err
}

func TestRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := testKeys()
		s := &server{body: jwks(t, jwk("one", &k.rsa.PublicKey))}
		w := watch(t, s)
		if err := w.try(w.token("one", k.rsa)); err != nil {
			t.Fatal(err)
		}
		// The issuer takes a new key: it is found at once, though the keys were read
		// an hour ago, and not asked for again.
		s.set(jwks(t, jwk("one", &k.rsa.PublicKey), jwk("two", &k.rsa2.PublicKey)), nil)
		time.Sleep(14 * time.Minute)
		before := s.count()
		for range 3 {
			if err := w.try(w.token("two", k.rsa2)); err != nil {
				t.Fatal(err)
			}
		}
		if got := s.count() - before; got != 1 {
			t.Errorf("the issuer was asked %d times", got)
		}
		// It drops the old one: from the next reading on, its tokens are refused.
		s.set(jwks(t, jwk("two", &k.rsa2.PublicKey)), nil)
		if err := w.try(w.token("one", k.rsa)); err != nil {
			t.Errorf("before the next reading: %v", err)
		}
		time.Sleep(15*time.Minute + time.Second)
		wantCode(t, w.try(w.token("one", k.rsa)), unauthenticated)
		if err := w.try(w.token("two", k.rsa2)); err != nil {
			t.Error(err)
		}
	})
}

// A stranger who makes key ids up does not have us ask the issuer for each.
func TestUnknownKeysAreAskedForSeldom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := testKeys()
		s := &server{body: jwks(t, jwk("one", &k.rsa.PublicKey))}
		w := watch(t, s)
		began := s.count()
		for i := range 100 {
			wantCode(t, w.try(w.token(strings.Repeat("x", i+1), k.stranger)), unauthenticated)
			time.Sleep(time.Second)
		}
		if got := s.count() - began; got < 5 || got > 10 {
			t.Errorf("in 100 seconds the issuer was asked %d times", got)
		}
		if err := w.try(w.token("one", k.rsa)); err != nil {
			t.Error(err)
		}
	})
}

// Many sign-ins with a new key wait for one reading.
func TestOneReadingForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := testKeys()
		s := &server{body: jwks(t, jwk("one", &k.rsa.PublicKey)), delay: time.Second}
		w := watch(t, s)
		token := w.token("one", k.rsa)
		var wg sync.WaitGroup
		for range 50 {
			wg.Go(func() {
				if err := w.try(token); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if s.count() != 1 {
			t.Errorf("the issuer was asked %d times", s.count())
		}
	})
}

// The last keys are good for as long as the issuer is away; what it has not told
// us yet is to be tried again later, not refused.
func TestIssuerAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := testKeys()
		s := &server{body: jwks(t, jwk("one", &k.rsa.PublicKey))}
		w := watch(t, s)
		for _, broken := range []struct {
			body []byte
			err  error
		}{{nil, errors.New("away")}, {[]byte("<html>"), nil}, {bytes.Repeat([]byte(" "), maxSet+1), nil}, {nil, nil}} {
			s.set(broken.body, broken.err)
			time.Sleep(2 * time.Hour)
			if err := w.try(w.token("one", k.rsa)); err != nil {
				t.Errorf("a known key: %v", err)
			}
			wantCode(t, w.try(w.token("two", k.rsa2)), retry)
		}
		synctest.Wait()
		if got := strings.Count(w.log.String(), "cannot be read"); got != 1 {
			t.Errorf("it was written down %d times:\n%s", got, w.log.String())
		}
		if w.counts["failed"] < 4*100 {
			t.Errorf("readings: %v", w.counts)
		}
		s.set(jwks(t, jwk("one", &k.rsa.PublicKey), jwk("two", &k.rsa2.PublicKey)), nil)
		time.Sleep(lastRetry + time.Second)
		if err := w.try(w.token("two", k.rsa2)); err != nil {
			t.Errorf("once it is back: %v", err)
		}
		synctest.Wait()
		if !strings.Contains(w.log.String(), "were read") {
			t.Errorf("the log does not say that it is back:\n%s", w.log.String())
		}
	})
}

// An issuer that is away when we start, and one that takes its time.
func TestIssuerAwayAtTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := testKeys()
		s := &server{err: errors.New("away")}
		w := watch(t, s)
		wantCode(t, w.try(w.token("one", k.rsa)), retry)
		s.set(jwks(t, jwk("one", &k.rsa.PublicKey)), nil)
		time.Sleep(firstRetry + time.Second)
		if err := w.try(w.token("one", k.rsa)); err != nil {
			t.Error(err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		k := testKeys()
		s := &server{delay: time.Hour}
		w := watch(t, s)
		began := time.Now()
		wantCode(t, w.try(w.token("one", k.rsa)), retry)
		if took := time.Since(began); took != fetchTimeout {
			t.Errorf("the reading took %s", took)
		}
	})
}

// An issuer that takes all its keys back means it.
func TestNoKeysLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := testKeys()
		s := &server{body: jwks(t, jwk("one", &k.rsa.PublicKey))}
		w := watch(t, s)
		s.set([]byte(`{"keys":[]}`), nil)
		time.Sleep(15*time.Minute + time.Second)
		wantCode(t, w.try(w.token("one", k.rsa)), unauthenticated)
	})
}

func TestKeysFromAFile(t *testing.T) {
	k := testKeys()
	name := filepath.Join(t.TempDir(), "jwks.json")
	v := New([]directory.JWTIssuer{issuerOf(name)}, Env{Log: slog.New(slog.DiscardHandler)})
	run(t, v)
	keys := v.issuers["https://id.example.org"].keys
	keys.settle(t)
	token := sign(t, object{"alg": "RS256", "kid": "r"}, good(), k.rsa)
	_, _, err := v.Verify(token, at)
	wantCode(t, err, retry)
	if err := os.WriteFile(name, published(t), 0o600); err != nil {
		t.Fatal(err)
	}
	keys.mu.Lock()
	keys.tried = time.Time{} // as if askAgain had passed
	keys.mu.Unlock()
	for {
		_, fetched, err := v.Verify(token, at)
		if fetched == nil {
			if err != nil {
				t.Error(err)
			}
			break
		}
		<-fetched
	}
}

// A real server: what is followed, what is refused, what is too much.
func TestKeysFromAServer(t *testing.T) {
	set := published(t)
	mux := http.NewServeMux()
	mux.HandleFunc("/jwks", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(set) })
	mux.HandleFunc("/moved", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/jwks", http.StatusFound) })
	mux.HandleFunc("/round", func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/round", http.StatusFound) })
	mux.HandleFunc("/down", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "http://127.0.0.1:1/jwks", http.StatusFound)
	})
	mux.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "file:///etc/passwd", http.StatusFound)
	})
	mux.HandleFunc("/missing", http.NotFound)
	mux.HandleFunc("/large", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte(" "), maxSet+2)) })
	plain, secure := httptest.NewServer(mux), httptest.NewUnstartedServer(mux)
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	secure.StartTLS()
	defer plain.Close()
	defer secure.Close()
	for _, tt := range []struct {
		url  string
		ok   bool
		want string
	}{
		{plain.URL + "/jwks", true, ""},
		{plain.URL + "/moved", true, ""},
		{secure.URL + "/jwks", true, ""},
		{secure.URL + "/moved", true, ""},
		{secure.URL + "/down", false, "no https"},
		{plain.URL + "/down", false, "no https"},
		{secure.URL + "/file", false, ""},
		{plain.URL + "/round", false, "too often"},
		{plain.URL + "/missing", false, "404"},
		{plain.URL + "/large", false, "larger"},
		{"http://127.0.0.1:1/jwks?secret=hunter22", false, ""},
	} {
		s := newSource(tt.url, false, secure.Client().Transport)
		got, err := s.read(t.Context())
		if (err == nil) != tt.ok || tt.ok && len(got.keys) != 2 {
			t.Errorf("%s: %v, %d keys", tt.url, err, len(got.keys))
		}
		if err != nil && (!strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "hunter22")) {
			t.Errorf("%s: %v", tt.url, err)
		}
	}
	if _, err := newSource(secure.URL+"/jwks", false, nil).read(t.Context()); err == nil {
		t.Error("a certificate of nobody's is trusted")
	}
}
