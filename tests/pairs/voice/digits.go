package voice

import (
	"context"
	"encoding/binary"
	"fmt"
	"strings"
	"time"

	"github.com/pion/rtp"
)

const events = "0123456789*#ABCD" // RFC 4733 section 3.2, events 0 to 15

// dtmf is the codec's name, as it is listed in SDP.
const dtmf = "telephone-event"

// Play implements Voice: each event in packets 20 ms apart whose duration grows,
// the last of them three times (RFC 4733 section 2.5.1).
func (p *peer) Play(ctx context.Context, digits string) error {
	const step = 48000 / 50
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for _, d := range digits {
		at := p.clock()
		for i := 1; i <= 6; i++ {
			payload := []byte{byte(strings.IndexRune(events, d)), 10, 0, 0}
			if i > 3 {
				payload[1] |= 0x80
			}
			binary.BigEndian.PutUint16(payload[2:], uint16(min(i, 4)*step)) //nolint:gosec // small
			if err := p.audio.write(dtmf, at, i == 1, payload); err != nil {
				return fmt.Errorf("digit %c: %w", d, err)
			}
			select {
			case <-tick.C:
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// digit takes a packet of an event.
func (p *peer) digit(pkt *rtp.Packet) {
	if len(pkt.Payload) < 4 || int(pkt.Payload[0]) >= len(events) {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.eventAt == pkt.Timestamp && p.digits != "" {
		return // more of the same
	}
	p.eventAt = pkt.Timestamp
	p.digits += string(events[pkt.Payload[0]])
}

// Digits implements Voice.
func (p *peer) Digits(ctx context.Context, want string) error {
	err := p.until(ctx, func() bool { return len(p.digits)-p.digitsSeen >= len(want) })
	p.mu.Lock()
	defer p.mu.Unlock()
	got := p.digits[p.digitsSeen:]
	p.digitsSeen = len(p.digits)
	if err != nil || got != want {
		return fmt.Errorf("digits %q came, want %q", got, want)
	}
	return nil
}
