package bridge

import (
	"strings"
	"time"

	"github.com/pion/rtp"

	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// Timing of a digit (RFC 4733 sections 2.5.1.2 and 2.5.1.4).
const (
	toneStep    = 20 * time.Millisecond
	toneRepeats = 3
	toneMost    = 6000
	toneDefault = 100
	toneQueue   = 64 // digits; a terminal may send 32 at once
)

// tone is the digits that wait to be sent on a stream, and the timer that
// carries them.
type tone struct {
	digits []digit
	timer  *time.Timer
	left   int // steps, then repeats of the end
	begun  uint32
	length uint32 // of the present digit's segment, in timestamp units
}

type digit struct {
	event   uint8
	payload uint8
	clock   uint32
	steps   int
}

// eventOf gives a digit's event code (RFC 4733 section 3.2).
func eventOf(c byte) (uint8, bool) {
	i := strings.IndexByte("0123456789*#ABCD", strings.ToUpper(string(c))[0])
	return uint8(i), i >= 0 //nolint:gosec // at most 15
}

// dtmf sends a digit to the leg's first audio line that has telephone events.
func (e *End) dtmf(c byte, milliseconds uint32) bool {
	event, ok := eventOf(c)
	session := e.leg.Session()
	if !ok || session == nil || !session.Complete {
		return false
	}
	for i := range session.Lines {
		l := &session.Lines[i]
		if l.Rejected || l.Kind != sdp.Audio || !l.Direction.Sends() {
			continue
		}
		payload, clock, ok := eventFormat(l)
		if !ok {
			continue
		}
		if milliseconds == 0 {
			milliseconds = toneDefault
		}
		steps := int(min(milliseconds, toneMost)) / int(toneStep/time.Millisecond)
		return e.queue(i, l.SSRC, digit{event, payload, clock, max(steps, 2)})
	}
	return false
}

// eventFormat picks the telephone-event format with the clock of the line's
// first codec, or any (RFC 4733 section 2.1).
func eventFormat(l *sdp.SessionLine) (payload uint8, clock uint32, ok bool) {
	for _, c := range l.Codecs {
		if strings.EqualFold(c.Name, sdp.TelephoneEvent) && (!ok || c.ClockRate == l.Codecs[0].ClockRate) {
			payload, clock, ok = c.PayloadType, c.ClockRate, true
		}
	}
	return payload, clock, ok
}

func (e *End) queue(line int, ssrc uint32, d digit) bool {
	s := e.stream(line, ssrc)
	if s == nil {
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tone == nil {
		s.tone = &tone{}
	}
	t := s.tone
	if len(t.digits) >= toneQueue {
		return false
	}
	t.digits = append(t.digits, d)
	if t.timer == nil {
		t.timer = time.AfterFunc(0, func() { e.play(s, line) })
	}
	return true
}

// play sends the next packet of the present digit.
func (e *End) play(s *stream, line int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	t := s.tone
	if t == nil || t.timer == nil || len(t.digits) == 0 {
		return
	}
	d := t.digits[0]
	step := d.clock / uint32(time.Second/toneStep)
	first := t.left == 0
	if first {
		elapsed := uint64(0)
		if !s.lastAt.IsZero() {
			elapsed = uint64(time.Since(s.lastAt)) * uint64(d.clock) / uint64(time.Second)
		}
		t.left, t.length = d.steps+toneRepeats, 0
		t.begun = s.lastTimestamp + uint32(elapsed) //nolint:gosec // timestamps wrap
	}
	ended := t.left <= toneRepeats
	if !ended || t.left == toneRepeats {
		if t.length+step > 0xffff { // RFC 4733 section 2.5.1.3: go on in another segment
			t.begun, t.length = t.begun+t.length, 0
		}
		t.length += step
	}
	s.insert(d.payload, t.begun, first)
	e.leg.Send(line, &s.header, eventPayload(d.event, ended, uint16(t.length))) //nolint:gosec // bounded above
	wait := toneStep
	if t.left--; t.left == 0 {
		if t.digits = t.digits[1:]; len(t.digits) == 0 {
			t.timer = nil
			return
		}
		wait = 50 * time.Millisecond // the pause that tells two equal digits apart
	} else if t.left < toneRepeats {
		wait = 0
	}
	t.timer.Reset(wait)
}

// insert makes the header of a packet of our own between the source's, whose
// numbers move up by one.
func (s *stream) insert(payload uint8, timestamp uint32, marker bool) {
	s.header = rtp.Header{
		Version: 2, Marker: marker, PayloadType: payload,
		SequenceNumber: s.lastSequence + 1, Timestamp: timestamp, Extensions: s.header.Extensions[:0],
	}
	s.lastSequence++
	s.sequence++
	s.used.seal()
	if s.lastAt.IsZero() {
		s.lastAt = time.Now()
	}
}

// eventPayload is RFC 4733 section 2.3: event, end bit, volume -10 dBm0, duration.
func eventPayload(event uint8, end bool, duration uint16) []byte {
	flags := uint8(10)
	if end {
		flags |= 0x80
	}
	return []byte{event, flags, byte(duration >> 8), byte(duration)}
}

// quit drops what is still to be sent.
func (s *stream) quit() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.tone != nil && s.tone.timer != nil {
		s.tone.timer.Stop()
		s.tone.timer, s.tone.digits = nil, nil
	}
}
