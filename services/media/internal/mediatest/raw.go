package mediatest

import (
	"errors"
	"sync/atomic"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"
)

// Raw is a track that sends packets as they are given, from whatever source.
type Raw struct {
	kind   webrtc.RTPCodecType
	id     string
	writer atomic.Pointer[webrtc.TrackLocalWriter]
	codec  atomic.Pointer[webrtc.RTPCodecParameters]
}

// AddRaw adds a raw track of a kind.
func (c *Client) AddRaw(kind, id string) (*Raw, error) {
	r := &Raw{kind: webrtc.NewRTPCodecType(kind), id: id}
	t, err := c.PC.AddTransceiverFromTrack(r, webrtc.RTPTransceiverInit{Direction: webrtc.RTPTransceiverDirectionSendrecv})
	if err != nil {
		return nil, err
	}
	c.readers.Go(func() { c.readRTCP(t.Sender().Read) })
	return r, nil
}

// Write sends a packet.
func (r *Raw) Write(p *rtp.Packet) error {
	w := r.writer.Load()
	if w == nil {
		return errors.New("not negotiated")
	}
	_, err := (*w).WriteRTP(&p.Header, p.Payload)
	return err
}

// PayloadType is the one of the codec in use.
func (r *Raw) PayloadType() uint8 {
	if c := r.codec.Load(); c != nil {
		return uint8(c.PayloadType)
	}
	return 0
}

// Bind implements webrtc.TrackLocal.
func (r *Raw) Bind(c webrtc.TrackLocalContext) (webrtc.RTPCodecParameters, error) {
	codecs := c.CodecParameters()
	if len(codecs) == 0 {
		return webrtc.RTPCodecParameters{}, webrtc.ErrUnsupportedCodec
	}
	w := c.WriteStream()
	r.writer.Store(&w)
	r.codec.Store(&codecs[0])
	return codecs[0], nil
}

// Unbind implements webrtc.TrackLocal.
func (r *Raw) Unbind(webrtc.TrackLocalContext) error {
	r.writer.Store(nil)
	return nil
}

// ID implements webrtc.TrackLocal.
func (r *Raw) ID() string { return r.id }

// RID implements webrtc.TrackLocal.
func (r *Raw) RID() string { return "" }

// StreamID implements webrtc.TrackLocal.
func (r *Raw) StreamID() string { return "raw" }

// Kind implements webrtc.TrackLocal.
func (r *Raw) Kind() webrtc.RTPCodecType { return r.kind }

var _ webrtc.TrackLocal = (*Raw)(nil)
