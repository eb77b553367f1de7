package pionleg

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// media is the packet side of a session.
type media struct {
	lines []*line
	// inner are the lines that the PeerConnection knows.
	inner []int
}

// line is one session line's packets.
type line struct {
	index int
	kind  string
	out   *outTrack
	// sender is set on lines that may send.
	sender *webrtc.RTPSender
	// in is the terminal's stream that is being read.
	in atomic.Pointer[webrtc.TrackRemote]
	// plan is what was negotiated; replaced as a whole.
	plan atomic.Pointer[plan]
	// inSeen is its last roll-over counter and sequence number, inTime its last
	// timestamp, inCount its packets; written by the reader.
	inSeen, inTime, inCount atomic.Uint64

	// The rest belongs to sending, guarded by mu.
	mu      sync.Mutex
	heard   bool // the terminal has reported on the stream: it knows its mid
	absTime [3]byte
	history *history
	last    rtp.Header
	roll    uint32
	packets uint32
	octets  uint32
	fir     uint8
}

// plan is what sending and receiving on a line need of the session.
type plan struct {
	direction     sdp.Direction
	ssrc, rtxSSRC uint32
	mid           string
	midID, absID  uint8
	rtxOf         [128]uint8 // payload type → its retransmission format
	rtxFor        [128]uint8 // retransmission format → payload type
	known         [128]bool
	pli, fir      bool
	streams       []sdp.Stream // that the terminal declares
	nack          bool
	cname         string
}

func newMedia(s *sdp.Session) *media {
	m := &media{inner: innerLines(s)}
	for i := range s.Lines {
		m.lines = append(m.lines, &line{index: i, kind: s.Lines[i].Kind})
	}
	m.update(s)
	return m
}

// update takes over what the session says now.
func (m *media) update(s *sdp.Session) {
	for i, l := range m.lines {
		l.plan.Store(planOf(s, i))
	}
}

func planOf(s *sdp.Session, i int) *plan {
	l := &s.Lines[i]
	p := &plan{
		direction: l.Direction, ssrc: l.SSRC, rtxSSRC: l.RTX, mid: l.MID, cname: s.CNAME(), streams: l.Streams,
		midID: l.ExtensionID(sdp.ExtensionMID), absID: l.ExtensionID(sdp.ExtensionAbsSendTime),
	}
	if l.Rejected {
		p.direction = sdp.Inactive
	}
	if l.MID == "" || len(l.MID) > 16 { // does not fit a one-byte header extension
		p.midID = 0
	}
	for _, c := range l.Codecs {
		p.known[c.PayloadType] = true
		if c.RTX != 0 {
			p.rtxOf[c.PayloadType], p.rtxFor[c.RTX] = c.RTX, c.PayloadType
		}
		p.pli = p.pli || c.Has(sdp.FeedbackPLI)
		p.fir = p.fir || c.Has(sdp.FeedbackFIR)
		p.nack = p.nack || c.Has(sdp.FeedbackNack)
	}
	return p
}

// declares reports whether the terminal has named a source of the line.
func (p *plan) declares(ssrc uint32) bool {
	return slices.ContainsFunc(p.streams, func(s sdp.Stream) bool { return s.SSRC == ssrc || s.RTX == ssrc })
}

// attach adds the line's transceiver.
func (l *line) attach(pc *webrtc.PeerConnection, index int) error {
	p := l.plan.Load()
	kind := webrtc.NewRTPCodecType(l.kind)
	if !p.direction.Sends() {
		t, err := pc.AddTransceiverFromKind(kind, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionRecvonly})
		if err != nil {
			return err
		}
		return t.SetMid(innerMID(index))
	}
	l.out = &outTrack{kind: kind, id: l.kind + innerMID(index)}
	direction := webrtc.RTPTransceiverDirectionSendrecv
	if p.direction == sdp.SendOnly {
		direction = webrtc.RTPTransceiverDirectionSendonly
	}
	t, err := pc.AddTransceiverFromTrack(l.out, webrtc.RTPTransceiverInit{
		Direction: direction,
		SendEncodings: []webrtc.RTPEncodingParameters{{
			RTPCodingParameters: webrtc.RTPCodingParameters{SSRC: webrtc.SSRC(p.ssrc)},
		}},
	})
	if err != nil {
		return err
	}
	l.sender = t.Sender()
	if p.nack {
		l.history = &history{}
	}
	return t.SetMid(innerMID(index))
}

// outTrack is what the PeerConnection sends; it only keeps where to write.
type outTrack struct {
	kind   webrtc.RTPCodecType
	id     string
	writer atomic.Pointer[webrtc.TrackLocalWriter]
}

// Bind implements webrtc.TrackLocal.
func (t *outTrack) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	w := c.WriteStream()
	t.writer.Store(&w)
	codecs := c.CodecParameters()
	if len(codecs) == 0 {
		return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
	}
	return codecs[0], nil
}

// Unbind implements webrtc.TrackLocal.
func (t *outTrack) Unbind(webrtc.TrackLocalContext) error {
	t.writer.Store(nil)
	return nil
}

// ID implements webrtc.TrackLocal.
func (t *outTrack) ID() string { return t.id }

// RID implements webrtc.TrackLocal.
func (t *outTrack) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (t *outTrack) StreamID() string { return "t" }

// Kind implements webrtc.TrackLocal.
func (t *outTrack) Kind() webrtc.RTPCodecType { return t.kind }

// write sends one packet; it fails silently before the transport is up.
func (t *outTrack) write(h *rtp.Header, payload []byte) bool {
	w := t.writer.Load()
	if w == nil {
		return false
	}
	n, err := (*w).WriteRTP(h, payload)
	return err == nil && n > 0
}

var _ webrtc.TrackLocal = (*outTrack)(nil)
