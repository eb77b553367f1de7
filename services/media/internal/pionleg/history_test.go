package pionleg

import (
	"testing"
	"time"

	"github.com/pion/rtp"
)

func TestLossIsRepairedInTheRetransmissionStream(t *testing.T) {
	var got []rtp.Packet
	l := &line{history: &history{}, t: writer(func(h *rtp.Header, payload []byte) {
		got = append(got, rtp.Packet{Header: h.Clone(), Payload: append([]byte(nil), payload...)})
	})}
	p := &plan{ssrc: 5, rtxSSRC: 6, absID: 2, nack: true}
	p.rtxOf[96] = 97
	l.plan.Store(p)
	for i := range uint16(300) {
		l.history.add(&rtp.Header{Version: 2, SSRC: 5, PayloadType: 96, SequenceNumber: 65400 + i, Timestamp: 9, Marker: true}, []byte{byte(i), 1}, time.Now())
	}
	const last = 65400 + 299 - 65536
	if !l.resend(last) || l.resend(last) || l.resend(65400) || l.resend(12345) {
		t.Error("what is resent: the new ones, not again at once, none that is too old or was never sent")
	}
	r := got[0]
	if r.SSRC != 6 || r.PayloadType != 97 || r.Timestamp != 9 || !r.Marker || len(r.Payload) != 4 || r.Payload[2] != byte(299%256) {
		t.Errorf("RFC 4588 packet %+v", r)
	}
	if n := uint16(r.Payload[0])<<8 | uint16(r.Payload[1]); n != last {
		t.Errorf("original sequence number %d", n)
	}
	p.rtxSSRC = 0
	if !l.resend(last-1) || got[1].SSRC != 5 || got[1].SequenceNumber != last-1 {
		t.Errorf("without a retransmission stream, unchanged: %+v", got[1].Header)
	}
}

func TestRetransmissionsAreNoMoreThanWhatWasSent(t *testing.T) {
	r := &history{}
	now := time.Now()
	payload := make([]byte, 1000)
	for i := range uint16(100) {
		r.add(&rtp.Header{SequenceNumber: i}, payload, now)
	}
	ask := func() (bytes int) {
		for i := range uint16(100) {
			if s := r.find(i, now); s != nil {
				bytes += len(s.payload)
			}
		}
		return bytes
	}
	if n := ask(); n != 100_000 {
		t.Errorf("%d bytes resent of what was just sent", n)
	}
	for range 15 {
		now = now.Add(60 * time.Millisecond)
		if n := ask(); n != 0 {
			t.Errorf("%d bytes more in the same second", n)
		}
	}
	now = now.Add(time.Second)
	if n := ask(); n != 100_000 {
		t.Errorf("%d bytes in the next second", n)
	}
	now = now.Add(2 * time.Second)
	if n := ask(); n > repeatsLeast || n < repeatsLeast-1000 {
		t.Errorf("%d bytes after a pause", n)
	}
}

type writer func(h *rtp.Header, payload []byte)

func (w writer) sendRTP(_ []byte, h *rtp.Header, payload []byte) bool { w(h, payload); return true }
