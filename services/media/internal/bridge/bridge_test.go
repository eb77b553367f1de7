package bridge

import (
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/pion/rtp"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// fake is a leg that notes what it is asked to send.
type fake struct {
	leg.Leg
	end     *End
	session *sdp.Session

	mu      sync.Mutex
	sink    leg.Sink
	sent    []sent
	asked   []int
	limits  map[int]uint64
	reports []uint32
	changed chan struct{}
}

type sent struct {
	line    int
	header  rtp.Header
	payload []byte
}

func newFake(s *sdp.Session) *fake {
	f := &fake{session: s, limits: map[int]uint64{}, changed: make(chan struct{}, 1000)}
	f.end = NewEnd(f)
	return f
}

func (f *fake) note(g func()) {
	f.mu.Lock()
	g()
	f.mu.Unlock()
	f.changed <- struct{}{}
}

func (f *fake) Session() *sdp.Session        { return f.session }
func (f *fake) SetSink(s leg.Sink)           { f.mu.Lock(); f.sink = s; f.mu.Unlock() }
func (f *fake) RequestKeyFrame(i int)        { f.note(func() { f.asked = append(f.asked, i) }) }
func (f *fake) LimitBitrate(i int, b uint64) { f.note(func() { f.limits[i] = b }) }
func (f *fake) SendReport(_ int, _ uint64, timestamp uint32) {
	f.note(func() { f.reports = append(f.reports, timestamp) })
}

func (f *fake) Send(i int, h *rtp.Header, payload []byte) {
	f.note(func() { f.sent = append(f.sent, sent{i, h.Clone(), slices.Clone(payload)}) })
}

func (f *fake) last() sent {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.sent) == 0 {
		return sent{line: -1}
	}
	return f.sent[len(f.sent)-1]
}

const level = "urn:ietf:params:rtp-hdrext:ssrc-audio-level"

func codec(pt uint8, key string, clock uint32) sdp.Codec {
	return sdp.Codec{PayloadType: pt, Name: key, Key: key, ClockRate: clock}
}

// pair makes the legs of a call with audio and two videos, in different orders.
func pair() (a, b *fake) {
	audio, cam, screen := sdp.Slot{Kind: sdp.Audio}, sdp.Slot{Kind: sdp.Video}, sdp.Slot{Kind: sdp.Video, N: 1}
	a = newFake(&sdp.Session{Complete: true, Lines: []sdp.SessionLine{
		{Kind: sdp.Audio, Slot: audio, Direction: sdp.SendRecv, Extensions: []sdp.Extension{{ID: 1, URI: level}, {ID: 4, URI: sdp.ExtensionMID}, {ID: 9, URI: sdp.ExtensionAbsSendTime}},
			Codecs: []sdp.Codec{codec(111, "opus", 48000), codec(0, "pcmu", 8000), codec(126, "telephone-event", 48000)}},
		{Kind: sdp.Video, Slot: cam, Direction: sdp.SendRecv, Codecs: []sdp.Codec{codec(96, "vp8", 90000), codec(98, "vp9", 90000)}},
		{Kind: sdp.Video, Slot: screen, Direction: sdp.RecvOnly, Codecs: []sdp.Codec{codec(96, "vp8", 90000)}},
	}})
	b = newFake(&sdp.Session{Complete: true, Lines: []sdp.SessionLine{
		{Kind: sdp.Video, Slot: screen, Direction: sdp.SendOnly, Codecs: []sdp.Codec{codec(120, "vp8", 90000)}},
		{Kind: sdp.Audio, Slot: audio, Direction: sdp.SendRecv, Extensions: []sdp.Extension{{ID: 6, URI: level}, {ID: 9, URI: sdp.ExtensionMID}},
			Codecs: []sdp.Codec{codec(109, "opus", 48000), codec(101, "telephone-event", 48000)}},
		{Kind: sdp.Video, Slot: cam, Direction: sdp.SendRecv, Codecs: []sdp.Codec{codec(120, "vp8", 90000)}},
	}})
	return a, b
}

func packet(ssrc uint32, pt uint8, sequence uint16, timestamp uint32) *rtp.Header {
	return &rtp.Header{Version: 2, SSRC: ssrc, PayloadType: pt, SequenceNumber: sequence, Timestamp: timestamp, Marker: true}
}

func TestPacketsGoToTheSlotsOtherLine(t *testing.T) {
	a, b := pair()
	j := Join(a.end, b.end)
	defer j.Close()
	for i, tt := range []struct {
		from, to *fake
		line     int
		pt       uint8
		want     int
		wantPT   uint8
	}{
		{a, b, 0, 111, 1, 109},
		{a, b, 0, 126, 1, 101},
		{a, b, 1, 96, 2, 120},
		{a, b, 2, 96, 0, 120},
		{b, a, 1, 109, 0, 111},
		{b, a, 2, 120, 1, 96},
		{a, b, 0, 0, -1, 0},   // a codec that b has not
		{a, b, 1, 98, -1, 0},  // likewise
		{a, b, 7, 96, -1, 0},  // no such line
		{b, a, 0, 120, -1, 0}, // b only gets the screen
	} {
		tt.to.sent = nil
		tt.from.sink.Packet(tt.line, packet(5, tt.pt, uint16(i), 100), []byte{1, 2})
		got := tt.to.last()
		if got.line != tt.want || got.line >= 0 && (got.header.PayloadType != tt.wantPT || !got.header.Marker || len(got.payload) != 2) {
			t.Errorf("line %d type %d went to %+v", tt.line, tt.pt, got)
		}
	}
}

func TestExtensionsAreRenumberedAndHopOnesLeftOut(t *testing.T) {
	a, b := pair()
	defer Join(a.end, b.end).Close()
	h := packet(5, 111, 1, 1)
	for id, v := range map[uint8]string{1: "L", 4: "0", 9: "abc", 12: "?"} {
		if err := h.SetExtension(id, []byte(v)); err != nil {
			t.Fatal(err)
		}
	}
	a.sink.Packet(0, h, []byte{1})
	got := b.last().header
	if string(got.GetExtension(6)) != "L" || len(got.GetExtensionIDs()) != 1 {
		t.Errorf("extensions %v", got.GetExtensionIDs())
	}
}

func TestStreamRunsOnWhenItsSourceChanges(t *testing.T) {
	a, b := pair()
	defer Join(a.end, b.end).Close()
	a.sink.Packet(0, packet(5, 111, 65535, 1000), nil)
	a.sink.Packet(0, packet(5, 111, 0, 1960), nil)
	a.sink.Packet(0, packet(5, 111, 65534, 40), nil) // late
	a.sink.Packet(0, packet(77, 111, 30000, 900000), nil)
	a.sink.Packet(0, packet(77, 111, 30001, 900960), nil)
	var sequence []uint16
	var timestamps []uint32
	for _, s := range b.sent {
		sequence, timestamps = append(sequence, s.header.SequenceNumber), append(timestamps, s.header.Timestamp)
	}
	if !slices.Equal(sequence, []uint16{65535, 0, 65534, 1, 2}) {
		t.Errorf("sequence numbers %v", sequence)
	}
	if d := timestamps[3] - timestamps[1]; d == 0 || d > 48000 || timestamps[4]-timestamps[3] != 960 {
		t.Errorf("timestamps %v", timestamps)
	}
	// Sender reports follow the same offset.
	a.sink.Report(0, 1<<40, 900960)
	if b.reports[0] != timestamps[4] {
		t.Errorf("report says %d for %d", b.reports[0], timestamps[4])
	}
}

func TestReportsBeforePacketsAreDropped(t *testing.T) {
	a, b := pair()
	defer Join(a.end, b.end).Close()
	a.sink.Report(0, 1, 1)
	if len(b.reports) != 0 {
		t.Error("a report about a stream that there is not")
	}
}

func TestKeyFrameRequestsAreSpaced(t *testing.T) {
	a, b := pair()
	j := Join(a.end, b.end)
	defer j.Close()
	// The bridge asks all sources at its start: lines 1 and 2 of a, 2 of b.
	if !slices.Equal(a.asked, []int{1, 2}) || !slices.Equal(b.asked, []int{2}) {
		t.Fatalf("asked %v and %v", a.asked, b.asked)
	}
	start := time.Now()
	for range 50 {
		b.sink.KeyFrameWanted(2)
	}
	a.mu.Lock()
	n := len(a.asked)
	a.mu.Unlock()
	if n > 2 && time.Since(start) < askEvery/2 {
		t.Errorf("asked %d times at once", n)
	}
	// The one that was held back is sent: a terminal may ask only once.
	deadline := time.After(5 * time.Second)
	for {
		a.mu.Lock()
		got := slices.Clone(a.asked)
		a.mu.Unlock()
		if len(got) == 3 && got[2] == 1 {
			break
		}
		select {
		case <-a.changed:
		case <-deadline:
			t.Fatalf("asked %v", got)
		}
	}
}

func TestRequestsGoToTheSourceOnly(t *testing.T) {
	a, b := pair()
	defer Join(a.end, b.end).Close()
	b.sink.BitrateWanted(0, 300000) // the screen is a's line 2
	b.sink.BitrateWanted(1, 100000) // audio has no such thing
	a.sink.BitrateWanted(2, 500000) // a gets nothing on line 2
	if a.limits[2] != 300000 || len(a.limits) != 1 || len(b.limits) != 0 {
		t.Errorf("limits %v and %v", a.limits, b.limits)
	}
}

func TestNothingFlowsBeforeBothAreNegotiatedNorAfterClose(t *testing.T) {
	a, b := pair()
	b.session.Complete = false
	j := Join(a.end, b.end)
	a.sink.Packet(0, packet(5, 111, 1, 1), nil)
	if b.last().line >= 0 {
		t.Error("before")
	}
	b.session.Complete = true
	j.Refresh()
	a.sink.Packet(0, packet(5, 111, 2, 1), nil)
	if b.last().line != 1 {
		t.Error("not while it is up")
	}
	sink := a.sink
	j.Close()
	b.sent = nil
	sink.Packet(0, packet(5, 111, 3, 1), nil)
	sink.KeyFrameWanted(1)
	if b.last().line >= 0 || a.sink != nil {
		t.Error("after")
	}
	j.Close()
	j.Refresh()
}

func TestDigitsAreEventsBetweenTheSourcesPackets(t *testing.T) {
	a, b := pair()
	j := Join(a.end, b.end)
	defer j.Close()
	a.sink.Packet(0, packet(5, 111, 100, 1000), nil)
	if !j.Dtmf(a.end, '#', 60) || !j.Dtmf(a.end, '1', 0) || j.Dtmf(a.end, 'x', 0) {
		t.Fatal("digits")
	}
	deadline := time.After(10 * time.Second)
	var ends []sent
	for len(ends) < 6 {
		select {
		case <-b.changed:
		case <-deadline:
			t.Fatalf("%d ends", len(ends))
		}
		a.sink.Packet(0, packet(5, 111, 101, 1960), nil)
		ends = ends[:0]
		b.mu.Lock()
		for _, s := range b.sent {
			if len(s.payload) == 4 && s.payload[1]&0x80 != 0 {
				ends = append(ends, s)
			}
		}
		b.mu.Unlock()
	}
	// RFC 4733: the end is sent three times, event and duration the same.
	for i, e := range ends {
		event, duration := uint8(11), uint16(3*960)
		if i >= 3 {
			event, duration = 1, 5*960
		}
		got := uint16(e.payload[2])<<8 | uint16(e.payload[3])
		if e.payload[0] != event || got < duration || got > duration+960 || e.header.PayloadType != 101 || e.line != 1 {
			t.Errorf("end %d: %v %+v", i, e.payload, e.header)
		}
	}
	seen := map[uint16]bool{}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.sent {
		if len(s.payload) == 4 && seen[s.header.SequenceNumber] {
			t.Errorf("sequence number %d twice", s.header.SequenceNumber)
		}
		seen[s.header.SequenceNumber] = true
	}
}

// A number dialled at once is taken whole.
func TestDigitsWait(t *testing.T) {
	a, b := pair()
	j := Join(a.end, b.end)
	defer j.Close()
	for n := range 32 {
		if !j.Dtmf(a.end, '1', 100) {
			t.Fatalf("digit %d has no room", n)
		}
	}
	for n := 0; j.Dtmf(a.end, '1', 100); n++ {
		if n > toneQueue {
			t.Fatal("digits wait without bound")
		}
	}
}

func TestDigitsNeedNegotiatedEvents(t *testing.T) {
	a, b := pair()
	b.session.Lines[1].Codecs = b.session.Lines[1].Codecs[:1]
	j := Join(a.end, b.end)
	defer j.Close()
	if j.Dtmf(a.end, '1', 0) {
		t.Error("b has no telephone events")
	}
	if !j.Dtmf(b.end, '1', 0) {
		t.Error("a has")
	}
}

func FuzzPacket(f *testing.F) {
	f.Add([]byte{0x90, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 5, 0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0, 1, 2, 3})
	f.Fuzz(func(t *testing.T, b []byte) {
		var h rtp.Header
		n, err := h.Unmarshal(b)
		if err != nil || n > len(b) {
			return
		}
		x, y := pair()
		j := Join(x.end, y.end)
		defer j.Close()
		x.sink.Packet(0, &h, b[n:])
		if got := y.last(); got.line >= 0 {
			if _, err := got.header.Marshal(); err != nil {
				t.Fatal(err)
			}
		}
	})
}
