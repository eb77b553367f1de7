package pionleg

import (
	"fmt"
	"net/netip"

	"github.com/pion/ice/v4"
	"github.com/pion/logging"
	pion "github.com/pion/transport/v4"
	"github.com/pion/transport/v4/stdnet"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

// Engine makes legs that share one UDP port.
type Engine struct {
	cfg       Config
	network   pion.Net
	mux       ice.UDPMux
	listen    netip.AddrPort
	advertise []netip.AddrPort
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
	e.network = network
	if err := e.bind(network); err != nil {
		return nil, err
	}
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
