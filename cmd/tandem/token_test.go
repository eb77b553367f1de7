package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	grpcstatus "google.golang.org/grpc/status"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/adapters"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/admin"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/exchange"
)

// output runs a command line and gives what it prints.
func output(t *testing.T, args ...string) (string, int) {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, stderr := os.Stdout, os.Stderr
	devNull, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	os.Stdout, os.Stderr = w, devNull
	status := run(t.Context(), args) // prints less than a pipe holds
	os.Stdout, os.Stderr = stdout, stderr
	_, _ = devNull.Close(), w.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(text)), status
}

// serving is an exchange with the demo that takes the tokens of a JWKS file.
type serving struct {
	*exchange.Exchange
	t *testing.T
}

func serve(t *testing.T, set ...string) *serving {
	t.Helper()
	cfg, err := config.Load(adapters.All(), config.Source{Set: append(set,
		"admin.listen=127.0.0.1:0", "sylkrtc.listen=127.0.0.1:0", "grpcpipe.listen=127.0.0.1:0", "media.listen=127.0.0.1:0",
	)})
	if err != nil {
		t.Fatal(err)
	}
	x, err := exchange.New(cfg, exchange.Options{Ephemeral: true, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Version: "test"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ready, done := make(chan struct{}), make(chan error, 1)
	go func() { done <- x.Run(ctx, func() { close(ready) }) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("the end: %v", err)
		}
		x.Close()
	})
	select {
	case <-ready:
	case err := <-done:
		done <- err
		t.Fatalf("it did not start: %v", err)
	case <-time.After(60 * time.Second):
		t.Fatal("it was not ready in time")
	}
	return &serving{x, t}
}

// pipe opens a Pipe and waits until it is taken or refused.
func (s *serving) pipe(token, msisdn string) (*wgtwo.WebTerminalMessage, error) {
	s.t.Helper()
	conn, err := grpc.NewClient(s.Address("grpcpipe"), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = conn.Close() })
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	s.t.Cleanup(cancel)
	if token != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
	}
	if msisdn != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "wg2-msisdn", msisdn)
	}
	st, err := wgtwo.NewWebTerminalServiceClient(conn).Pipe(ctx)
	if err != nil {
		return nil, err
	}
	return st.Recv()
}

// account signs an account in with a token in the place of its password.
func (s *serving) account(account, token string) error {
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	c, err := sylkrtctest.Dial(ctx, "ws://"+s.Address("sylkrtc")+"/webrtcgateway/ws", sylkrtctest.V2, sylkrtctest.Options{})
	if err != nil {
		s.t.Fatal(err)
	}
	defer c.Close()
	if err := c.Request(ctx, map[string]any{"sylkrtc": "account-add", "account": account, "password": token}); err != nil {
		return err
	}
	return c.Register(ctx, account)
}

// A Pipe, and an account, sign in with what "tandem token" issues.
func TestTokens(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", dir)
	jwks := filepath.Join(dir, "jwks.json")
	issue := func(args ...string) string {
		t.Helper()
		text, status := output(t, append([]string{"token", "issue"}, args...)...)
		if status != 0 || strings.Count(text, ".") != 2 {
			t.Fatalf("issue %q: status %d, %s", args, status, text)
		}
		return text
	}
	// Two keys, as after a rotation: what the first has signed is good still.
	old := issue("--subscriber=alice")
	if _, status := output(t, "token", "rotate", "--algorithm=ES256"); status != 0 {
		t.Fatal("rotate failed")
	}
	public, status := output(t, "token", "jwks")
	if err := os.WriteFile(jwks, []byte(public), 0o600); err != nil || status != 0 {
		t.Fatal(err, status)
	}
	x := serve(t, `directory.jwt=[{issuer: tandem-dev, jwks: "`+jwks+`", audience: [tandem], subscriber_claim: sub}]`,
		`directory.service_tokens=[{name: switchboard, client: switchboard, subscribers: [alice]}]`, "admin.token=t0ken-of-the-operator", "demo=true")
	alice := issue("--subscriber=alice")
	for _, tt := range []struct {
		name, token, msisdn string
		code                codes.Code
	}{
		{"a subscriber's", alice, "", codes.OK},
		{"one of the key before", old, "", codes.OK},
		{"a subscriber's with her number", alice, "12025550101", codes.OK},
		{"a subscriber's with another's number", alice, "12025550102", codes.PermissionDenied},
		{"a number's", issue("--msisdn=12025550102", "--ttl=1m"), "", codes.OK},
		{"nobody's number's", issue("--msisdn=+12025550198"), "", codes.PermissionDenied},
		{"a product's", issue("--client=switchboard"), "12025550101", codes.OK},
		{"a product's without a number", issue("--client=switchboard"), "", codes.PermissionDenied},
		{"a product's for another", issue("--client=switchboard"), "12025550102", codes.PermissionDenied},
		{"a product's with its numbers", issue("--client=x", "--covers=12025550102"), "12025550102", codes.OK},
		{"one with another scope", issue("--subscriber=alice", "--scope=openid"), "", codes.PermissionDenied},
		{"one for another audience", issue("--subscriber=alice", "--audience=x"), "", codes.Unauthenticated},
		{"one of another issuer", issue("--subscriber=alice", "--issuer=x"), "", codes.Unauthenticated},
		{"a stranger's", issue("--subscriber=alice", "--key="+filepath.Join(dir, "other.json")), "", codes.Unauthenticated},
		{"none", "", "", codes.Unauthenticated},
	} {
		m, err := x.pipe(tt.token, tt.msisdn)
		if grpcstatus.Code(err) != tt.code {
			t.Errorf("%s: %v, want %v", tt.name, err, tt.code)
		}
		if tt.code == codes.OK && m.GetIdle() == nil {
			t.Errorf("%s: the first message is %v", tt.name, m)
		}
	}
	if err := x.account("alice@demo.test", alice); err != nil {
		t.Errorf("alice's account: %v", err)
	}
	for name, bad := range map[string]error{
		"another's account":   x.account("bob@demo.test", alice),
		"a product's account": x.account("alice@demo.test", issue("--client=switchboard")),
	} {
		if e := new(sylkrtctest.Error); !errors.As(bad, &e) || !strings.HasPrefix(e.Text, "904") && !strings.HasPrefix(e.Text, "403") {
			t.Errorf("%s: %v", name, bad)
		}
	}
	client := &admin.Client{Server: "http://" + x.Address("admin"), Token: "t0ken-of-the-operator"}
	if err := client.SetPhone(t.Context(), "alice", "tel:+12025550102"); err == nil || !strings.Contains(err.Error(), "defined by the configuration") {
		t.Errorf("the phone of a configured subscriber: %v", err)
	}
}

func TestTokenFlags(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	for _, args := range []string{
		"token issue", "token issue --msisdn=alice", "token issue --subscriber=a --client=b", "token issue --msisdn=+12025550101 --client=b",
		"token issue --subscriber=a --ttl=0s", "token issue --subscriber=a --ttl=10000h", "token issue --subscriber=a --covers=+12025550101",
		"token issue --client=a --covers=x", "token issue --subscriber=a --algorithm=HS256", "token jwks --key=/dev/null",
	} {
		if text, status := output(t, strings.Fields(args)...); status != 1 || text != "" {
			t.Errorf("tandem %s: status %d, %q", args, status, text)
		}
	}
}
