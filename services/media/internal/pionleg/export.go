package pionleg

import (
	"net/netip"
	"time"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

// Export implements leg.Leg. A PeerConnection gives no SRTP keys, so Keys is nil.
func (p *peer) Export() *leg.State {
	snap := p.snap.Load()
	s := &leg.State{
		Session: snap.session, Offer: snap.offer, LocalUfrag: snap.local.Ufrag, LocalPwd: snap.local.Pwd,
		Fingerprint: snap.local.Fingerprint, Connected: p.connected.Load(), At: time.Now(),
		RemoteAddress: p.remoteAddress(),
	}
	m := p.media.Load()
	if m == nil {
		return s
	}
	for _, l := range m.lines {
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
func (p *peer) remoteAddress() netip.AddrPort {
	pc := p.connection()
	if pc == nil || !p.connected.Load() {
		return netip.AddrPort{}
	}
	pair, err := pc.SCTP().Transport().ICETransport().GetSelectedCandidatePair()
	if err != nil || pair == nil || pair.Remote == nil {
		return netip.AddrPort{}
	}
	a, err := netip.ParseAddr(pair.Remote.Address)
	if err != nil {
		return netip.AddrPort{}
	}
	return netip.AddrPortFrom(a, pair.Remote.Port)
}
