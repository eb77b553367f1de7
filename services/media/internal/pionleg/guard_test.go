package pionleg

import (
	"errors"
	"net"
	"net/netip"
	"runtime"
	"testing"
	"time"

	"github.com/pion/stun/v4"
)

// bindingRequest makes a connectivity check of a terminal.
func bindingRequest(t testing.TB, ufrag, password string) []byte {
	t.Helper()
	m, err := stun.Build(stun.TransactionID, stun.BindingRequest, stun.NewUsername(ufrag+":theirs"), stun.NewShortTermIntegrity(password))
	if err != nil {
		t.Fatal(err)
	}
	return m.Raw
}

func TestChecksAreLimited(t *testing.T) {
	const password = "passwordpasswordpassword"
	g := newGuard()
	g.register("ours", password)
	check, forged := bindingRequest(t, "ours", password), bindingRequest(t, "ours", "another")
	now := time.Now()
	from := func(port int) netip.AddrPort {
		return netip.AddrPortFrom(netip.MustParseAddr("192.0.2.1"), uint16(port)) //nolint:gosec // a port
	}
	count := func(packet []byte, times, ports int) (admitted int) {
		for i := range times {
			if g.admit(packet, from(1+i%ports), now) {
				admitted++
			}
		}
		return admitted
	}
	if n := count(forged, 1000, 1); n != 0 {
		t.Errorf("%d forged checks", n)
	}
	if n := count(bindingRequest(t, "unknown", password), 10, 1); n != 0 {
		t.Errorf("%d checks for nobody", n)
	}
	if n := count(check, 1000, 1); n != checksEarly {
		t.Errorf("%d checks before the start", n)
	}
	g.start("ours")
	if n := count(check, 1000, 1); n != checksRate {
		t.Errorf("%d checks at once", n)
	}
	now = now.Add(time.Second)
	if n := count(check, 150, 150); n != checksSources {
		t.Errorf("checks from %d sources", n)
	}
	now = now.Add(sourceEvery)
	if !g.admit(check, from(2000), now) || g.admit(check, from(2001), now) || !g.admit(check, from(2000), now) {
		t.Error("a terminal's address may change now and then")
	}
	if !g.admit([]byte{0x80, 96, 0, 1}, from(3000), now) || g.admit(check[:24], from(1), now) {
		t.Error("media pass, broken messages do not")
	}
	success, err := stun.Build(stun.TransactionID, stun.BindingSuccess)
	if err != nil || !g.admit(success.Raw, from(3001), now) {
		t.Errorf("answers to our own checks pass: %v", err)
	}
	named := func(name string) []byte {
		m, err := stun.Build(stun.TransactionID, stun.BindingSuccess, stun.NewUsername(name), stun.NewShortTermIntegrity("theirpasswordtheirpass"))
		if err != nil {
			t.Fatal(err)
		}
		return m.Raw
	}
	if n := count(named("theirs:ours"), 1000, 1); n != 1000 {
		t.Errorf("%d answers that repeat our check's name pass", n)
	}
	if n := count(named("ours:theirs"), 1000, 1); n != 0 {
		t.Errorf("%d answers pass that the mux would take for checks", n)
	}
	g.remove("ours")
	if g.admit(check, from(2), now) {
		t.Error("a check for a leg that is gone")
	}
}

// An offered leg has no reader before its answer comes.
func TestChecksForAnOfferedLegTakeNoMemory(t *testing.T) {
	e := open(t, Config{})
	l, _ := newLeg(t, e)
	offer, err := described(l.MakeOffer(boundsOf(t, browser(t, "chromium-offer.sdp")), true))
	if err != nil {
		t.Fatal(err)
	}
	g := e.guard
	check := bindingRequest(t, attribute(offer, "ice-ufrag"), attribute(offer, "ice-pwd"))
	var before, after runtime.MemStats
	conn, err := net.Dial("udp", e.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	runtime.GC()
	runtime.ReadMemStats(&before)
	for range 5000 {
		if _, err := conn.Write(check); err != nil {
			t.Fatal(err)
		}
	}
	deadline := time.Now().Add(patience)
	for early := 0; early <= checksEarly; {
		if time.Now().After(deadline) {
			t.Fatal("checks do not come to the guard")
		}
		runtime.Gosched()
		g.mu.Lock()
		early = g.gates[attribute(offer, "ice-ufrag")].early
		g.mu.Unlock()
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 4<<20 {
		t.Errorf("%d bytes more", grown)
	}
	l.Close()
	if len(g.gates) != 0 {
		t.Error("still known to the guard")
	}
}

func TestReadErrorsDoNotEndThePort(t *testing.T) {
	results := []error{errors.New("odd"), net.ErrWriteToConnected, nil, net.ErrClosed}
	read := func([]byte) (int, netip.AddrPort, error) {
		err := results[0]
		results = results[1:]
		return 7, netip.AddrPort{}, err
	}
	if n, _, err := readOn(read, nil); n != 7 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	if _, _, err := readOn(read, nil); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed port: %v", err)
	}
}
