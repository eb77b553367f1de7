package phone

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/thesyncim/gopus/container/ogg"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

// Two phones talk, on either method; each hears the other's tone.
func TestCall(t *testing.T) {
	t.Parallel()
	for _, single := range []bool{false, true} {
		x := startExchange(t)
		l := x.listen(t, ListenOptions{Connection: x.connection(two, single), Count: 1})
		c := x.call(t, CallOptions{Connection: x.connection(one, single)})
		called := c.ends(t, ExitOK)
		answered := l.ends(t, ExitOK)
		if len(called) != 1 || len(answered) != 1 {
			t.Fatalf("results %v and %v", called, answered)
		}
		r, a := called[0], answered[0]
		wantTone(t, r, 440)
		wantTone(t, a, 700)
		if r.State != Established || r.Reason != LocalHangUp || a.State != Established || a.Reason != RemoteHangUp {
			t.Errorf("the call ended as %+v and %+v", r, a)
		}
		if r.CallID == "" || r.CallID != a.CallID || r.Peer != two || a.Peer != one {
			t.Errorf("the call was %+v and %+v", r, a)
		}
		if !(0 < r.SetupMS && r.SetupMS < r.ConnectedMS && r.ConnectedMS < 10000) {
			t.Errorf("set up in %g ms, connected in %g", r.SetupMS, r.ConnectedMS)
		}
		for _, line := range []string{"registered", "calling " + two, "ringing", "answered", "connected", "hung up"} {
			if !strings.Contains(c.stderr.String(), line) {
				t.Errorf("the caller was not told %q", line)
			}
		}
	}
}

// An echo sends back what it hears, to several callers at once.
func TestEcho(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	l := x.listen(t, ListenOptions{Echo: true, Count: 2, Unmeasured: true})
	a := x.call(t, CallOptions{Tone: 500})
	b := x.call(t, CallOptions{Tone: 900, Connection: x.connection("+12025550103", false)})
	wantTone(t, a.ends(t, ExitOK)[0], 500)
	wantTone(t, b.ends(t, ExitOK)[0], 900)
	if got := l.ends(t, ExitOK); len(got) != 2 {
		t.Errorf("results %v", got)
	}
}

// What is recorded can be played.
func TestRecordAndPlay(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	file := filepath.Join(t.TempDir(), "call.ogg")
	l := x.listen(t, ListenOptions{Record: file, Count: 1})
	x.call(t, CallOptions{Tone: 600}).ends(t, ExitOK)
	l.ends(t, ExitOK)
	l = x.listen(t, ListenOptions{Play: file, Count: 1})
	wantTone(t, x.call(t, CallOptions{Duration: 2 * time.Second}).ends(t, ExitOK)[0], 600)
	l.ends(t, ExitOK)
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	rows := []struct {
		name   string
		script func(say func(*message), m *message)
		o      CallOptions
		code   int
		reason Reason
	}{
		{"nobody there", nil, CallOptions{}, ExitRefused, Refused},
		{"try again", func(say func(*message), m *message) {
			say(errorMessage(m.GetCallId(), wgtwo.Error_TRY_AGAIN))
		}, CallOptions{}, ExitRefused, TryAgain},
		{"rate limit", func(say func(*message), m *message) {
			say(errorMessage(m.GetCallId(), wgtwo.Error_RATE_LIMIT_HIT))
		}, CallOptions{}, ExitRefused, RateLimited},
		{"invalid id", func(say func(*message), m *message) {
			say(errorMessage(m.GetCallId(), wgtwo.Error_INVALID_CALL_ID))
		}, CallOptions{}, ExitError, NoSuchCall},
		{"nobody answers", func(say func(*message), m *message) {
			say(ringingMessage(m.GetCallId()))
		}, CallOptions{Timeout: 50 * time.Millisecond}, ExitRefused, NoAnswer},
		{"an answer that is none", func(say func(*message), m *message) {
			say(answerMessage(m.GetCallId(), "v=0"))
		}, CallOptions{}, ExitError, MediaFailed},
	}
	for _, row := range rows {
		x.mu.Lock()
		x.script = func(_ string, m *message, say func(*message)) bool {
			if m.GetOffer() == nil || row.script == nil {
				return m.GetBye() != nil
			}
			row.script(say, m)
			return true
		}
		x.mu.Unlock()
		got := x.call(t, row.o).ends(t, row.code)
		if len(got) != 1 || got[0].Reason != row.reason {
			t.Errorf("%s: %+v, want %s", row.name, got, row.reason)
		}
	}
}

func TestReject(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	l := x.listen(t, ListenOptions{Reject: true, Count: 1})
	if got := x.call(t, CallOptions{}).ends(t, ExitRefused); got[0].Reason != Refused {
		t.Errorf("the caller heard %+v", got)
	}
	if got := l.ends(t, ExitOK); len(got) != 1 || got[0].Reason != Rejected {
		t.Errorf("the called heard %+v", got)
	}
}

// The user leaves: the other side hears it, whatever the call's state.
func TestInterrupt(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	l := x.listen(t, ListenOptions{Count: 1, AnswerAfter: time.Hour})
	c := x.call(t, CallOptions{Duration: time.Hour})
	c.stderr.waitFor(t, "ringing")
	c.hangUp()
	if got := c.ends(t, ExitRefused); got[0].Reason != Cancelled || got[0].State != Ringing {
		t.Errorf("the caller that gave up: %+v", got)
	}
	if got := l.ends(t, ExitOK); len(got) != 1 || got[0].Reason != Cancelled {
		t.Errorf("the called that was given up: %+v", got)
	}
	l = x.listen(t, ListenOptions{Count: 2})
	c = x.call(t, CallOptions{Duration: time.Hour})
	c.stderr.waitFor(t, "audio arrives")
	c.hangUp()
	if got := c.ends(t, ExitOK); got[0].Reason != LocalHangUp {
		t.Errorf("the caller that hung up: %+v", got)
	}
	c = x.call(t, CallOptions{Duration: time.Hour})
	c.stderr.waitFor(t, "audio arrives")
	l.hangUp()
	if got := c.ends(t, ExitOK); got[0].Reason != RemoteHangUp {
		t.Errorf("the caller whose peer left: %+v", got)
	}
	got := l.ends(t, ExitOK)
	if len(got) != 2 || got[0].Reason != RemoteHangUp || got[1].Reason != LocalHangUp {
		t.Errorf("the called: %+v", got)
	}
}

// A MultiPipe that is lost is opened again, and its call goes on.
func TestLineComesBack(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	l := x.listen(t, ListenOptions{Count: 1})
	c := x.call(t, CallOptions{Duration: 1500 * time.Millisecond})
	x.registered(t, one)
	c.stderr.waitFor(t, "connected")
	x.cut(one)
	x.registered(t, one)
	x.cut(two)
	x.registered(t, two)
	if got := c.ends(t, ExitOK); got[0].Reason != LocalHangUp {
		t.Errorf("the caller: %+v", got)
	}
	if got := l.ends(t, ExitOK); got[0].Reason != RemoteHangUp {
		t.Errorf("the called: %+v", got)
	}
}

// An Offer that was lost with its stream is sent again.
func TestOfferIsRepeated(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	l := x.listen(t, ListenOptions{Count: 1})
	lost := false
	x.script = func(from string, m *message, _ func(*message)) bool {
		if m.GetOffer() == nil || lost {
			return false
		}
		lost = true
		x.terms[from].hangUp()
		return true
	}
	x.call(t, CallOptions{}).ends(t, ExitOK)
	l.ends(t, ExitOK)
}

// A Pipe's call is over if its exchange does not keep it.
func TestPipeIsLost(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	x.listen(t, ListenOptions{})
	c := x.call(t, CallOptions{Duration: time.Hour, Connection: x.connection(one, true)})
	c.stderr.waitFor(t, "audio arrives")
	x.cut(one)
	if got := c.ends(t, ExitOK); got[0].Reason != ConnectionLost {
		t.Errorf("the caller: %+v", got)
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	bad := x.connection(one, false)
	bad.Token = "wrong"
	nowhere := x.connection(one, false)
	nowhere.CA = filepath.Join(t.TempDir(), "none.pem")
	noTone := CallOptions{Connection: x.connection(one, false), Tone: 1}
	for want, o := range map[string]CallOptions{
		"Unauthenticated": {Connection: bad},
		"none.pem":        {Connection: nowhere},
		"50 to 8000":      noTone,
		"HOST:PORT":       {Connection: Connection{Server: "nowhere", Token: "demo"}},
		"numbers only":    {Address: "bob@demo.test"},
		"+12025550199":    {Address: "bob"},
	} {
		h := x.call(t, o)
		h.ends(t, ExitError)
		if !strings.Contains(h.stderr.String(), want) {
			t.Errorf("%q is not in %q", want, h.stderr)
		}
	}
	for want, o := range map[string]ListenOptions{
		"Unauthenticated": {Connection: bad, Tone: 440},
		"no such file":    {Connection: x.connection(two, false), Play: filepath.Join(t.TempDir(), "none.ogg")},
	} {
		h := run(t, func(ctx context.Context, stdout, stderr io.Writer, log *slog.Logger) int {
			return Listen(ctx, o, stdout, stderr, log)
		})
		h.ends(t, ExitError)
		if !strings.Contains(h.stderr.String(), want) {
			t.Errorf("%q is not in %q", want, h.stderr)
		}
	}
}

// Over TLS the phone trusts whom it is told to, and nobody else.
func TestTLS(t *testing.T) {
	t.Parallel()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		DNSNames: []string{"phone.example.org"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	ca := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	x := startExchange(t, grpc.Creds(credentials.NewServerTLSFromCert(&tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key})))
	trusting := x.connection(one, false)
	trusting.CA = ca
	if got := x.call(t, CallOptions{Connection: trusting}).ends(t, ExitRefused); got[0].Reason != Refused {
		t.Errorf("over TLS: %+v", got)
	}
	trusting.Name = "phone.example.org"
	if got := x.call(t, CallOptions{Connection: trusting}).ends(t, ExitRefused); got[0].Reason != Refused {
		t.Errorf("by the certificate's other name: %+v", got)
	}
	wary, mistaken := x.connection(one, false), trusting
	wary.TLS, mistaken.Name = true, "other.example.org"
	for _, c := range []Connection{wary, mistaken} {
		h := x.call(t, CallOptions{Connection: c})
		h.stderr.waitFor(t, "certificate")
		h.hangUp()
		h.ends(t, ExitError)
	}
}

// An Ogg file that holds nothing to play is said to be so.
func TestEmptyFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "empty.ogg")
	f, err := os.Create(file)
	if err != nil {
		t.Fatal(err)
	}
	w, err := ogg.NewWriter(f, opusRate, 1)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	p, err := newPlayer(file)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.close() }()
	if _, _, err := p.next(); err == nil {
		t.Error("no error")
	}
}

func TestSecure(t *testing.T) {
	for _, row := range []struct {
		c    Connection
		want bool
	}{
		{Connection{Server: "127.0.0.1:9090"}, false},
		{Connection{Server: "localhost:9090"}, false},
		{Connection{Server: "[::1]:9090"}, false},
		{Connection{Server: "127.0.0.1:9090", TLS: true}, true},
		{Connection{Server: "127.0.0.1:9090", CA: "ca.pem"}, true},
		{Connection{Server: "127.0.0.1:9090", Name: "tandem.example"}, true},
		{Connection{Server: "tandem.example:443"}, true},
		{Connection{Server: "192.0.2.1:9090"}, true},
		{Connection{Server: "tandem.example:9090", Plaintext: true}, false},
	} {
		if got := row.c.secure(); got != row.want {
			t.Errorf("%+v: TLS %v", row.c, got)
		}
	}
}
