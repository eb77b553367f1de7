package bridge

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/rtp"

	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// askEvery is the shortest time between two key frame requests for one line. A
// request inside it is sent at its end: a terminal may ask only once.
const askEvery = 250 * time.Millisecond

// way is one direction of a bridge: the sink of one leg.
type way struct {
	from, to *End
	back     *way

	table atomic.Pointer[table]

	mu      sync.Mutex
	asks    map[int]*ask // by line of from
	stopped bool
}

// table says where a line's packets go.
type table struct{ lines []lane }

// lane is one line's route.
type lane struct {
	// ok: packets go to line to.
	ok bool
	to int
	// payload maps payload types; 0xff drops.
	payload [128]uint8
	// clock of a payload type on the way out.
	clock [128]uint32
	// extension maps ids; 0 drops.
	extension [15]uint8
	stream    *stream
	video     bool
}

func newWay(from, to *End) *way {
	w := &way{from: from, to: to, asks: map[int]*ask{}}
	w.table.Store(&table{})
	return w
}

// route makes the table anew: lines meet by slot, codecs by key, extensions by
// URI.
func (w *way) route() {
	from, to := w.from.leg.Session(), w.to.leg.Session()
	if from == nil || to == nil || !from.Complete || !to.Complete {
		w.table.Store(&table{})
		return
	}
	t := &table{lines: make([]lane, len(from.Lines))}
	for i := range from.Lines {
		f := &from.Lines[i]
		for j := range to.Lines {
			o := &to.Lines[j]
			if f.Rejected || o.Rejected || f.Slot != o.Slot || !f.Direction.Receives() || !o.Direction.Sends() {
				continue
			}
			if s := w.to.stream(j, o.SSRC); s != nil {
				s.feed(w)
				t.lines[i] = makeLane(f, o, j, s)
			}
		}
	}
	w.table.Store(t)
}

func makeLane(f, o *sdp.SessionLine, to int, s *stream) lane {
	l := lane{ok: true, to: to, stream: s, video: f.Kind == sdp.Video}
	for i := range l.payload {
		l.payload[i] = 0xff
	}
	for _, c := range f.Codecs {
		for _, d := range o.Codecs {
			if c.Key == d.Key {
				l.payload[c.PayloadType], l.clock[c.PayloadType] = d.PayloadType, d.ClockRate
			}
		}
	}
	for _, e := range f.Extensions {
		if id := o.ExtensionID(e.URI); id != 0 && !sdp.IsHop(e.URI) {
			l.extension[e.ID] = id
		}
	}
	return l
}

func (w *way) lane(line int) *lane {
	t := w.table.Load()
	if line < 0 || line >= len(t.lines) || !t.lines[line].ok {
		return nil
	}
	return &t.lines[line]
}

// Packet implements leg.Sink.
func (w *way) Packet(line int, h *rtp.Header, payload []byte) {
	l := w.lane(line)
	if l == nil {
		return
	}
	pt := l.payload[h.PayloadType&0x7f]
	if pt == 0xff {
		return
	}
	if w.send(l, pt, h, payload) && l.video {
		// Whoever gets it has nothing of it to start from.
		w.ask(line)
	}
}

// send sends a packet on in the lane's stream, and reports whether it is the first
// of its source.
func (w *way) send(l *lane, pt uint8, h *rtp.Header, payload []byte) (first bool) {
	s := l.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.feeder != w {
		return false
	}
	now := time.Now()
	first = s.place(h, l.clock[h.PayloadType&0x7f], now)
	number := h.SequenceNumber + s.sequence
	if s.lastAt.IsZero() {
		s.lastSequence = number
	}
	if !s.used.take(number, s.lastSequence) {
		return first
	}
	out := &s.header
	*out = rtp.Header{
		Version: 2, Marker: h.Marker, PayloadType: pt,
		SequenceNumber: number, Timestamp: h.Timestamp + s.offset,
		Extensions: out.Extensions[:0],
	}
	if h.Extension && (h.ExtensionProfile == rtp.ExtensionProfileOneByte || h.ExtensionProfile == rtp.ExtensionProfileTwoByte) {
		for id := uint8(1); id < 15; id++ {
			if to := l.extension[id]; to != 0 {
				if v := h.GetExtension(id); len(v) > 0 && len(v) <= 16 {
					_ = out.SetExtension(to, v)
				}
			}
		}
	}
	s.sent(out, now)
	w.to.leg.Send(l.to, out, payload)
	return first
}

// Report implements leg.Sink: the source's clock, in the timestamps of the
// forwarded stream, so that the far end plays audio and video together.
func (w *way) Report(line int, ntp uint64, timestamp uint32) {
	l := w.lane(line)
	if l == nil {
		return
	}
	l.stream.mu.Lock()
	started, offset := l.stream.started && l.stream.feeder == w, l.stream.offset
	l.stream.mu.Unlock()
	if started {
		w.to.leg.SendReport(l.to, ntp, timestamp+offset)
	}
}

// KeyFrameWanted implements leg.Sink: who receives on from is served by the
// other way's source.
func (w *way) KeyFrameWanted(line int) { w.back.wanted(line) }

// BitrateWanted implements leg.Sink.
func (w *way) BitrateWanted(line int, bps uint64) {
	if source, ok := w.back.sourceOf(line); ok {
		w.to.leg.LimitBitrate(source, bps)
	}
}

// sourceOf gives the line of from whose packets go to a line of to.
func (w *way) sourceOf(to int) (int, bool) {
	for i, l := range w.table.Load().lines {
		if l.ok && l.to == to && l.video {
			return i, true
		}
	}
	return 0, false
}

// wanted asks from's terminal for a key frame of what goes to a line of to.
func (w *way) wanted(to int) {
	if source, ok := w.sourceOf(to); ok {
		w.ask(source)
	}
}

// askAll asks for key frames of all video.
func (w *way) askAll() {
	for i, l := range w.table.Load().lines {
		if l.ok && l.video {
			w.ask(i)
		}
	}
}
