package voice

import (
	"errors"
	"strings"
	"sync"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// track sends packets of any payload type of its line, as a telephone does that
// puts digits (RFC 4733) between its speech.
type track struct {
	kind webrtc.RTPCodecType

	mu     sync.Mutex
	ssrc   webrtc.SSRC
	writer webrtc.TrackLocalWriter
	codecs map[string]uint8 // payload types by what follows the slash, lower case
	seq    uint16
}

var _ webrtc.TrackLocal = (*track)(nil)

// Bind implements webrtc.TrackLocal.
func (t *track) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ssrc, t.writer, t.codecs = c.SSRC(), c.WriteStream(), map[string]uint8{}
	want := "opus"
	if t.kind == webrtc.RTPCodecTypeVideo {
		want = "vp8"
	}
	var chosen *webrtc.RTPCodecParameters
	for _, p := range c.CodecParameters() {
		_, name, _ := strings.Cut(strings.ToLower(p.MimeType), "/")
		if _, ok := t.codecs[name]; !ok {
			t.codecs[name] = uint8(p.PayloadType)
		}
		if name == want && chosen == nil {
			chosen = &p
		}
	}
	if chosen == nil {
		return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
	}
	return *chosen, nil
}

// Unbind implements webrtc.TrackLocal.
func (t *track) Unbind(webrtc.TrackLocalContext) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writer = nil
	return nil
}

// ID implements webrtc.TrackLocal.
func (t *track) ID() string { return t.kind.String() }

// RID implements webrtc.TrackLocal.
func (t *track) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (t *track) StreamID() string { return "voice" }

// Kind implements webrtc.TrackLocal.
func (t *track) Kind() webrtc.RTPCodecType { return t.kind }

var errUnbound = errors.New("the track is not sent")

// write sends one packet in a codec.
func (t *track) write(codec string, timestamp uint32, marker bool, payload []byte) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	pt, ok := t.codecs[codec]
	if t.writer == nil || !ok {
		return errUnbound
	}
	t.seq++
	h := rtp.Header{
		Version: 2, PayloadType: pt, SequenceNumber: t.seq, Timestamp: timestamp, SSRC: uint32(t.ssrc), Marker: marker,
	}
	_, err := t.writer.WriteRTP(&h, payload)
	return err
}
