package pionleg

import (
	"net/netip"
	"time"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

// Export implements leg.Leg.
func (p *peer) Export() *leg.State {
	snap := p.snap.Load()
	s := &leg.State{Session: snap.session, Offer: snap.offer, Connected: p.Connected(), At: time.Now()}
	t := p.now.Load()
	if t == nil {
		return s
	}
	local := t.local.Load()
	s.LocalUfrag, s.LocalPwd, s.Fingerprint = local.Ufrag, local.Pwd, local.Fingerprint
	s.RemoteAddress = t.remoteAddress()
	if k := t.keys.Load(); k != nil {
		s.Keys = &k.Keys
	}
	for _, l := range t.media.Load().lines {
		pl := l.plan.Load()
		l.mu.Lock()
		if pl.ssrc != 0 {
			s.Out = append(s.Out, leg.StreamState{
				Line: l.index, SSRC: pl.ssrc, Sequence: uint64(l.roll)<<16 | uint64(l.last.SequenceNumber),
				Timestamp: l.last.Timestamp, Packets: uint64(l.packets),
			})
		}
		l.mu.Unlock()
		if in := l.received(); in != nil {
			s.In = append(s.In, *in)
		}
	}
	return s
}

// remoteAddress is the far end of the pair that ICE chose.
func (t *transport) remoteAddress() netip.AddrPort {
	pair, err := t.agent.GetSelectedCandidatePair()
	if err != nil || pair == nil || pair.Remote == nil {
		return netip.AddrPort{}
	}
	a, err := netip.ParseAddr(pair.Remote.Address())
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, uint16(pair.Remote.Port())) //nolint:gosec // a port
}
