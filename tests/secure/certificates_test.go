package secure

import (
	"context"
	"crypto/tls"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// New connections to every port get the new certificate; a call that is up, a
// client that is signed in, and the processes' connections to NATS stay.
func TestCertificatesAreReplacedInACall(t *testing.T) {
	s := open(t, "")
	shows := func(serial int64) {
		t.Helper()
		for _, role := range []string{"admin", "sylkrtc", "grpcpipe", "console", "matrix"} {
			harness.Eventually(t, patience, role+" shows its certificate", func() (bool, string) {
				got, err := s.serial(role)
				return got == serial, fmt.Sprint(got, err)
			})
		}
		if got := s.natsSerial(); got != serial {
			t.Errorf("nats shows %d, want %d", got, serial)
		}
	}
	shows(1)
	page := s.sylk(t)
	callee := s.listening(s.secrets["token"], "--count", "1", "--msisdn", bobNumber, "--tone", "1000")
	caller := s.phone(s.secrets["product token"], "call", bobNumber, "--msisdn", aliceNumber, "--tone", "440", "--duration", "10m")
	harness.Eventually(t, patience, "the call is up", func() (bool, string) {
		return strings.Contains(caller.Log(), "audio arrives") && strings.Contains(callee.Log(), "audio arrives"), caller.Log()
	})

	s.authority.Issue(2)
	shows(2)

	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := page.Register(ctx, alice); err != nil {
		t.Errorf("who was signed in: %v", err)
	}
	s.sylk(t) // and who comes now is let in
	if _, body := s.get("/api/calls", s.secrets["admin token"]); !strings.Contains(body, bobNumber) {
		t.Errorf("the call is not there: %s", body)
	}
	caller.Interrupt()
	for _, p := range []*harness.Process{caller, callee} {
		if status, err := p.Exit(patience); err != nil || status != harness.ExitEstablished {
			t.Errorf("the call ended with %d, %v:\n%s", status, err, p.Log())
		}
		if !strings.Contains(p.Stdout(), `"state":"established"`) {
			t.Errorf("the call was: %s", p.Stdout())
		}
	}
	for name, log := range s.logs() {
		if strings.Contains(log, "connection to NATS lost") {
			t.Errorf("%s lost its connection to NATS", name)
		}
	}
}

// sylk signs alice in by WebSocket.
func (s *site) sylk(t *testing.T) *sylkrtctest.Client {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	c, err := sylkrtctest.Dial(ctx, "wss://"+s.ports["sylkrtc"]+"/webrtcgateway/ws", sylkrtctest.V2,
		sylkrtctest.Options{TLS: &tls.Config{RootCAs: s.authority.Pool}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	if err := c.SignIn(ctx, alice, s.secrets["password"]); err != nil {
		t.Fatal(err)
	}
	return c
}

// natsSerial is serial for NATS, which says something in clear first.
func (s *site) natsSerial() int64 {
	s.t.Helper()
	nc, err := nats.Connect("tls://"+s.ports["nats"], nats.UserInfo("tandem", s.secrets["NATS password"]),
		nats.RootCAs(s.authority.CA), nats.Timeout(20*time.Second))
	if err != nil {
		s.t.Fatal(err)
	}
	defer nc.Close()
	state, err := nc.TLSConnectionState()
	if err != nil {
		s.t.Fatal(err)
	}
	return state.PeerCertificates[0].SerialNumber.Int64()
}
