package issuer

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/services/directory"
	"github.com/tandem-rtc/tandem/services/directory/jwt"
)

// verifier takes the tokens of a set of keys.
func verifier(t *testing.T, jwks []byte) func(token string) (*directory.Token, error) {
	t.Helper()
	name := filepath.Join(t.TempDir(), "jwks.json")
	if err := os.WriteFile(name, jwks, 0o600); err != nil {
		t.Fatal(err)
	}
	j := directory.JWTIssuer{}
	j.SetDefaults()
	j.Issuer, j.JWKS, j.Audience, j.SubscriberClaim = "dev", name, []string{"tandem"}, "sub"
	v := jwt.New([]directory.JWTIssuer{j}, jwt.Env{Log: slog.New(slog.DiscardHandler)})
	done := make(chan struct{})
	go func() { defer close(done); v.Run(t.Context()) }()
	t.Cleanup(func() { <-done })
	return func(token string) (*directory.Token, error) {
		for {
			said, fetched, err := v.Verify(token, time.Now())
			if fetched == nil {
				return said, err
			}
			<-fetched
		}
	}
}

func token() Token {
	return Token{
		Issuer: "dev", Subject: "alice", Audience: []string{"tandem"}, Scope: directory.CallScope, MSISDN: "+12025550101",
		Issued: time.Now(), Lifetime: time.Hour,
	}
}

func TestIssue(t *testing.T) {
	for _, algorithm := range []string{"RS256", "ES256"} {
		k, err := New(algorithm)
		if err != nil {
			t.Fatal(err)
		}
		text, err := k.Issue(token())
		if err != nil {
			t.Fatal(err)
		}
		said, err := verifier(t, k.JWKS())(text)
		if err != nil || said.Number != "tel:+12025550101" || said.Subscriber != "alice" {
			t.Errorf("%s: %+v, %v", algorithm, said, err)
		}
		var public struct{ Keys []map[string]any }
		if err := json.Unmarshal(k.JWKS(), &public); err != nil {
			t.Fatal(err)
		}
		for _, secret := range []string{"d", "p", "q", "dp", "dq", "qi"} {
			if _, shown := public.Keys[0][secret]; shown {
				t.Errorf("%s: the public keys show %s", algorithm, secret)
			}
		}
	}
	if _, err := New("HS256"); err == nil {
		t.Error("a shared secret passes for a key")
	}
	k, err := New("ES256")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Issue(Token{Issued: time.Now()}); err == nil {
		t.Error("a token without a lifetime")
	}
}

func TestKeysAreKept(t *testing.T) {
	name := filepath.Join(t.TempDir(), "deep", "keys.json")
	k, made, err := Open(name, "ES256")
	if err != nil || !made {
		t.Fatal(made, err)
	}
	info, err := os.Stat(name)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file: %v, %v", info.Mode(), err)
	}
	again, made, err := Open(name, "RS256")
	if err != nil || made || !bytes.Equal(again.JWKS(), k.JWKS()) {
		t.Errorf("the second time: %v, %v", made, err)
	}
	text, err := k.Issue(token())
	if err != nil {
		t.Fatal(err)
	}
	for n := 2; n <= 5; n++ {
		if err := again.Rotate("RS256"); err != nil {
			t.Fatal(err)
		}
		third, _, err := Open(name, "RS256")
		if err != nil || !bytes.Equal(third.JWKS(), again.JWKS()) {
			t.Fatalf("after rotation %d: %v", n, err)
		}
		if got := strings.Count(string(third.JWKS()), `"kid"`); got != min(n, maxKeys) {
			t.Errorf("after rotation %d: %d keys", n, got)
		}
		if _, err := verifier(t, third.JWKS())(text); (err == nil) != (n <= maxKeys) {
			t.Errorf("after rotation %d the first key's token: %v", n, err)
		}
	}
	left, err := os.ReadDir(filepath.Dir(name))
	if err != nil || len(left) != 1 {
		t.Errorf("files: %v, %v", left, err)
	}
}

func TestKeyFilesThatAreRefused(t *testing.T) {
	dir := t.TempDir()
	k, err := New("ES256")
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		mode os.FileMode
	}{
		"readable by others": {k.encode(), 0o644},
		"no keys":            {[]byte(`{"keys":[]}`), 0o600},
		"not JSON":           {[]byte("hunter22"), 0o600},
		"public keys":        {k.JWKS(), 0o600},
	} {
		path := filepath.Join(dir, strings.ReplaceAll(name, " ", "-"))
		if err := os.WriteFile(path, c.data, c.mode); err != nil {
			t.Fatal(err)
		}
		_, made, err := Open(path, "ES256")
		if err == nil || made {
			t.Errorf("%s: taken", name)
		} else if strings.Contains(err.Error(), "hunter22") {
			t.Errorf("%s: the error shows the file: %v", name, err)
		}
		if now, _ := os.ReadFile(path); !bytes.Equal(now, c.data) {
			t.Errorf("%s: the file was changed", name)
		}
	}
}
