package pionleg

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/stun/v4"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// transport is one association with a terminal: ICE, and DTLS and SRTP on it (RFC
// 8445, RFC 5764). A leg has a new one for each certificate of its terminal; an
// ICE restart keeps it.
type transport struct {
	p           *peer
	e           *Engine
	number      uint32
	certificate tls.Certificate
	agent       *ice.Agent
	local       atomic.Pointer[sdp.Local]
	media       atomic.Pointer[media]
	// keys are there once DTLS is up, packets can be sent while flows is set.
	keys  atomic.Pointer[keys]
	flows atomic.Bool

	life context.Context
	end  context.CancelFunc
	wg   sync.WaitGroup // its goroutines
	conn *ice.Conn      // once started
	dtls *pipe
	in   *inbound // of the goroutine that reads

	mu        sync.Mutex
	started   bool
	closed    bool
	down      bool // it has failed
	dead      bool // it cannot come back
	secured   *dtls.Conn
	closeOnce sync.Once
}

// newTransport makes a transport for a session, and makes it known to the mux.
func (p *peer) newTransport(s *sdp.Session) (*transport, error) {
	certificate, fingerprint, err := p.e.identity.current()
	if err != nil {
		return nil, err
	}
	p.made++
	t := &transport{p: p, e: p.e, number: p.made, certificate: certificate, dtls: newPipe()}
	t.in = newInbound(t)
	t.life, t.end = context.WithCancel(context.Background())
	t.apply(s)
	ufrag, pwd := credentials()
	// The selected address is heard at each keep-alive, if not sooner.
	way := &roam{quiet: 2 * p.e.cfg.KeepAlive}
	c := p.e.cfg
	t.agent, err = ice.NewAgentWithOptions(
		ice.WithLoggerFactory(p.e.logs), ice.WithNet(p.e.network), ice.WithUDPMux(p.e.mux),
		ice.WithNetworkTypes([]ice.NetworkType{ice.NetworkTypeUDP4, ice.NetworkTypeUDP6}),
		ice.WithCandidateTypes([]ice.CandidateType{ice.CandidateTypeHost}),
		ice.WithMulticastDNSMode(ice.MulticastDNSModeDisabled), ice.WithIncludeLoopback(), ice.WithDisableActiveTCP(),
		ice.WithDisconnectedTimeout(c.Disconnected), ice.WithFailedTimeout(c.Failed), ice.WithKeepaliveInterval(c.KeepAlive),
		// We have one address that works or does not: nothing better is worth waiting
		// for. The default holds a terminal that does not trickle for a second.
		ice.WithHostAcceptanceMinWait(0), ice.WithSrflxAcceptanceMinWait(0),
		ice.WithPrflxAcceptanceMinWait(0), ice.WithRelayAcceptanceMinWait(0),
		ice.WithLocalCredentials(ufrag, pwd),
		ice.WithBindingRequestHandler(func(_ *stun.Message, _, _ ice.Candidate, pair *ice.CandidatePair) bool {
			return way.follow(pair, t.ready(), time.Now())
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("pionleg: %w", err)
	}
	t.local.Store(&sdp.Local{Ufrag: ufrag, Pwd: pwd, Fingerprint: fingerprint, Addresses: p.e.advertise})
	if err := t.agent.OnConnectionStateChange(t.iceState); err != nil {
		t.close()
		return nil, fmt.Errorf("pionleg: %w", err)
	}
	if err := t.gather(); err != nil {
		t.close()
		return nil, err
	}
	p.e.guard.register(ufrag, pwd)
	if err := p.own(t); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

// credentials of RFC 8839 section 5.4: at least 24 and 128 bits of randomness.
func credentials() (ufrag, pwd string) {
	var b [24]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:8]), hex.EncodeToString(b[8:])
}

// gatherWait bounds the local half of an exchange (gathering host candidates takes
// a fraction of a millisecond).
const gatherWait = 2 * time.Second

// gather has the agent take its addresses, and returns once the mux knows them.
func (t *transport) gather() error {
	done := make(chan struct{})
	var once sync.Once
	if err := t.agent.OnCandidate(func(c ice.Candidate) {
		if c == nil {
			once.Do(func() { close(done) })
		}
	}); err != nil {
		return fmt.Errorf("pionleg: %w", err)
	}
	if err := t.agent.GatherCandidates(); err != nil {
		return fmt.Errorf("pionleg: %w", err)
	}
	timer := time.NewTimer(gatherWait)
	defer timer.Stop()
	select {
	case <-done:
		return nil
	case <-timer.C:
		return errGather
	}
}

// start begins to connect. setup is our DTLS role.
func (t *transport) start(remote sdp.Transport, setup string, offered bool) error {
	if err := t.agent.SetRemoteICELite(remote.ICELite); err != nil {
		return fmt.Errorf("pionleg: %w", err)
	}
	begin := t.agent.StartAccept
	if offered || remote.ICELite { // RFC 8445 section 6.1.1
		begin = t.agent.StartDial
	}
	conn, err := begin(remote.Ufrag, remote.Pwd)
	if err != nil {
		return fmt.Errorf("pionleg: %w", err)
	}
	t.conn = conn
	t.dtls.conn = conn
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		return leg.ErrClosed
	}
	t.started = true
	t.e.guard.start(t.local.Load().Ufrag)
	t.wg.Go(t.read)
	t.wg.Go(func() { t.run(remote, setup) })
	return nil
}

// restart begins ICE anew (RFC 8445 section 9); what is on it stays. Our own new
// credentials are made unless they are given.
func (t *transport) restart(remote sdp.Transport, ufrag, pwd string) error {
	if ufrag == "" {
		ufrag, pwd = credentials()
	}
	old := *t.local.Load()
	if err := t.agent.Restart(ufrag, pwd); err != nil {
		return fmt.Errorf("pionleg: %w", err)
	}
	t.e.guard.remove(old.Ufrag)
	if err := t.agent.SetRemoteCredentials(remote.Ufrag, remote.Pwd); err != nil {
		return fmt.Errorf("pionleg: %w", err)
	}
	local := old
	local.Ufrag, local.Pwd = ufrag, pwd
	t.local.Store(&local)
	t.e.guard.register(ufrag, pwd)
	t.e.guard.start(ufrag)
	return t.gather()
}

// addCandidate takes a candidate's text as readCandidate gives it.
func (t *transport) addCandidate(text string) {
	c, err := ice.UnmarshalCandidate(text)
	if err == nil {
		err = t.agent.AddRemoteCandidate(c)
	}
	if err != nil {
		t.p.log.Debug("candidate dropped", "error", err)
	}
}

// run brings DTLS up, once ICE is, and waits for its end.
func (t *transport) run(remote sdp.Transport, setup string) {
	if t.agent.AwaitConnect(t.life) != nil {
		return // closed; that ICE has failed tells itself
	}
	conn, err := t.handshake(remote, setup)
	if err == nil {
		err = t.secure(conn, setup)
	}
	if err != nil {
		t.fail("no connection: DTLS handshake failed", false, true)
		t.p.log.Debug("DTLS handshake failed", "error", err)
		return
	}
	t.up()
	buf := make([]byte, packetSize)
	for {
		if _, err := conn.Read(buf); errors.Is(err, io.EOF) {
			break
		}
	}
	t.mu.Lock()
	ours := t.closed
	t.mu.Unlock()
	if ours {
		return // the terminal is just being told, on an agent that must last for it
	}
	t.fail("DTLS closed by the terminal", true, true)
	_ = t.agent.Close()
}

// iceState takes note of what the agent says.
func (t *transport) iceState(state ice.ConnectionState) {
	switch state {
	case ice.ConnectionStateConnected:
		t.mu.Lock()
		back := t.down && !t.dead
		t.mu.Unlock()
		if back && t.keys.Load() != nil {
			t.up()
		}
	case ice.ConnectionStateFailed:
		t.fail("no connection: ICE failed", false, false)
	default:
	}
}

// ready reports whether packets can be sent.
func (t *transport) ready() bool { return t.flows.Load() }

// alive reports whether it is connected, or may come to be.
func (t *transport) alive() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return !t.dead && !t.closed
}

func (t *transport) up() {
	t.mu.Lock()
	t.down = false
	closed := t.closed
	t.flows.Store(!closed)
	t.mu.Unlock()
	if !closed {
		t.p.up(t)
	}
}

// fail notes that the transport is down; dead says that it stays so.
func (t *transport) fail(reason string, left, dead bool) {
	t.mu.Lock()
	tell := !t.down && !t.closed
	t.down = true
	t.flows.Store(false)
	t.dead = t.dead || dead
	t.mu.Unlock()
	if tell {
		t.p.fail(t, reason, left)
	}
}

// close ends the transport, tells the terminal so (RFC 5764 section 4.1: a
// close_notify), and returns once its goroutines have ended.
func (t *transport) close() {
	t.closeOnce.Do(func() {
		t.mu.Lock()
		t.closed = true
		t.flows.Store(false)
		secured := t.secured
		t.mu.Unlock()
		t.end()
		t.e.guard.remove(t.ufrag())
		if secured != nil {
			_ = secured.Close()
		}
		t.dtls.close()
		if err := t.agent.GracefulClose(); err != nil {
			t.p.log.Debug("closing a leg's ICE agent", "error", err)
		}
		t.wg.Wait()
		t.in.close()
	})
}

func (t *transport) ufrag() string {
	if l := t.local.Load(); l != nil {
		return l.Ufrag
	}
	return ""
}
