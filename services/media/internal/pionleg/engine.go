package pionleg

import (
	"context"
	"fmt"
	"net/netip"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	"github.com/pion/transport/v4/stdnet"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

// Engine makes legs that share one UDP port.
type Engine struct {
	cfg       Config
	mux       ice.UDPMux
	listen    netip.AddrPort
	advertise []netip.AddrPort
	settings  webrtc.SettingEngine
	identity  *identity
	guard     *guard
	logs      logging.LoggerFactory
}

// Open binds the port. Close ends it.
func Open(cfg Config) (*Engine, error) {
	cfg = cfg.withDefaults()
	e := &Engine{cfg: cfg, identity: &identity{}, guard: newGuard(), logs: logs{cfg.Log}}
	if _, _, err := e.identity.current(); err != nil {
		return nil, err
	}
	network, err := stdnet.NewNet() // lists the interfaces once, not for each leg
	if err != nil {
		return nil, fmt.Errorf("pionleg: %w", err)
	}
	if err := e.bind(network); err != nil {
		return nil, err
	}
	s := &e.settings
	s.LoggerFactory = e.logs
	s.SetNet(network)
	s.SetICEUDPMux(e.mux)
	s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(true)
	s.SetICETimeouts(cfg.Disconnected, cfg.Failed, cfg.KeepAlive)
	// We have one address that works or does not: nothing better is worth waiting
	// for. The default holds a terminal that does not trickle for a second.
	s.SetHostAcceptanceMinWait(0)
	s.SetSrflxAcceptanceMinWait(0)
	s.SetPrflxAcceptanceMinWait(0)
	s.SetRelayAcceptanceMinWait(0)
	s.SetDTLSRetransmissionInterval(cfg.Retransmission)
	s.SetDTLSConnectContextMaker(func() (context.Context, func()) {
		return context.WithTimeout(context.Background(), cfg.Handshake)
	})
	s.DisableMediaEngineCopy(true) // each leg has its own
	s.SetFireOnTrackBeforeFirstRTP(true)
	s.SetHandleUndeclaredSSRCWithoutAnswer(true)
	// A packet sent again in its own stream comes late.
	s.SetSRTPReplayProtectionWindow(1024)
	return e, nil
}

// Addr is the bound address; its port is the one of all legs.
func (e *Engine) Addr() netip.AddrPort { return e.listen }

// New makes a leg. events is told about its transport.
func (e *Engine) New(events leg.Events) leg.Leg { return newPeer(e, events, nil) }

// Restore makes a leg that continues another's session: its next offer repeats
// the slots, mids, payload types and extension ids, on a new transport.
func (e *Engine) Restore(state *leg.State, events leg.Events) leg.Leg {
	return newPeer(e, events, state.Session)
}

// Close unbinds the port. Legs must have been closed.
func (e *Engine) Close() error { return e.mux.Close() }
