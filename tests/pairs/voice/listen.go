package voice

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/pion/webrtc/v4"
)

// listen takes what comes on a track until it ends.
func (p *peer) listen(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	p.work.Go(func() {
		buf := make([]byte, 1500)
		for {
			if _, _, err := r.Read(buf); err != nil {
				return
			}
		}
	})
	p.work.Go(func() {
		for {
			pkt, _, err := t.ReadRTP()
			if err != nil {
				return
			}
			if strings.HasSuffix(strings.ToLower(t.Codec().MimeType), dtmf) {
				p.digit(pkt)
				continue
			}
			if len(pkt.Payload) <= 4 {
				continue
			}
			p.came(t.Kind().String(), string(pkt.Payload[4:]))
		}
	})
}

func (p *peer) came(kind, from string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.last[kind]
	h.count[from]++
	h.from, h.turn = from, p.room.turns.Load()
	p.last[kind] = h
}

// Receives implements Voice.
func (p *peer) Receives(ctx context.Context, kind, from string) error {
	p.mu.Lock()
	before := p.last[kind].count[from]
	p.mu.Unlock()
	start := p.room.turns.Load()
	err := p.until(ctx, func() bool {
		h := p.last[kind]
		if from == "nothing" {
			return p.room.turns.Load()-max(h.turn, start) >= enough*p.room.voices.Load()
		}
		return h.count[from] >= before+3 && h.from == from
	})
	if err == nil {
		return nil
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	h := p.last[kind]
	var got []string
	for _, who := range slices.Sorted(maps.Keys(h.count)) {
		got = append(got, fmt.Sprintf("%d from %s", h.count[who], who))
	}
	return fmt.Errorf("%s receives not %s of %s, but %v in all, last from %q; may send %v; %s", p.name, kind, from, got, h.from,
		p.may, p.pc.ConnectionState())
}
