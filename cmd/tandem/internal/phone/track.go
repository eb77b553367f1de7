package phone

import (
	"errors"
	"strings"
	"sync"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// outTrack is what is sent on one m-line: packets made here, or received ones
// sent back. Payload types are those of the description, which are the same in
// both directions, so what came in one codec goes out in it.
type outTrack struct {
	id   string
	kind webrtc.RTPCodecType

	mu   sync.Mutex
	ctx  webrtc.TrackLocalContext // nil until it is bound
	main webrtc.RTPCodecParameters
}

var errUnbound = errors.New("phone: the track is not negotiated")

func newOutTrack(id string, kind webrtc.RTPCodecType) *outTrack { return &outTrack{id: id, kind: kind} }

// Bind implements webrtc.TrackLocal.
func (t *outTrack) Bind(ctx webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	for _, c := range ctx.CodecParameters() {
		if t.kind == webrtc.RTPCodecTypeVideo || isOpus(c.MimeType) {
			t.mu.Lock()
			defer t.mu.Unlock()
			t.ctx, t.main = ctx, c
			return c, nil
		}
	}
	return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
}

// isOpus reads a name in any case (RFC 4855 section 3).
func isOpus(mime string) bool { return strings.EqualFold(mime, webrtc.MimeTypeOpus) }

// Unbind implements webrtc.TrackLocal.
func (t *outTrack) Unbind(webrtc.TrackLocalContext) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ctx = nil
	return nil
}

// ID implements webrtc.TrackLocal.
func (t *outTrack) ID() string { return t.id }

// RID implements webrtc.TrackLocal.
func (t *outTrack) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (t *outTrack) StreamID() string { return "phone" }

// Kind implements webrtc.TrackLocal.
func (t *outTrack) Kind() webrtc.RTPCodecType { return t.kind }

// write sends a payload; with a payload type of 0 in the negotiated codec.
func (t *outTrack) write(h rtp.Header, payload []byte) error {
	t.mu.Lock()
	ctx, main := t.ctx, t.main
	t.mu.Unlock()
	if ctx == nil {
		return errUnbound
	}
	out := rtp.Header{
		Version: 2, Marker: h.Marker, PayloadType: h.PayloadType, SequenceNumber: h.SequenceNumber,
		Timestamp: h.Timestamp, SSRC: uint32(ctx.SSRC()),
	}
	if out.PayloadType == 0 {
		out.PayloadType = uint8(main.PayloadType)
	}
	_, err := ctx.WriteStream().WriteRTP(&out, payload)
	return err
}
