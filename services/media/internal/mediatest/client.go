package mediatest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/gathering"
)

// Options say what a client is like.
type Options struct {
	// Audio and Video make it send and receive them, in that codec ("audio/opus",
	// "video/VP8"); empty means none.
	Audio, Video string
	// Direction of all lines, sendrecv unless set.
	Direction webrtc.RTPTransceiverDirection
	// Data adds a data channel.
	Data bool
	// Register fills the media engine; the default codecs unless set.
	Register func(*webrtc.MediaEngine) error
	// Bare leaves all interceptors out.
	Bare bool
	// Certificate to use; one of its own unless set.
	Certificate *webrtc.Certificate
	// Settings may change what is set.
	Settings func(*webrtc.SettingEngine)
}

// Packet is one that a client received.
type Packet struct {
	rtp.Packet
	Kind string
	At   time.Time
}

// Client is a terminal's media.
type Client struct {
	PC     *webrtc.PeerConnection
	Tracks map[string]*webrtc.TrackLocalStaticRTP
	// Packets are those received, as long as somebody takes them.
	Packets chan Packet
	// RTCP is what came about the streams it sends and receives.
	RTCP chan rtcp.Packet
	// Received counts packets of each kind.
	Audio, Video atomic.Int64

	gathering *gathering.Gathering
	connected chan struct{}
	gone      chan struct{}
	once      [2]sync.Once
	readers   sync.WaitGroup
}

// New makes a client.
func New(o Options) (*Client, error) {
	engine, registry, settings := &webrtc.MediaEngine{}, &interceptor.Registry{}, webrtc.SettingEngine{}
	register := o.Register
	if register == nil {
		register = (*webrtc.MediaEngine).RegisterDefaultCodecs
	}
	if err := register(engine); err != nil {
		return nil, err
	}
	if !o.Bare {
		if err := webrtc.RegisterDefaultInterceptors(engine, registry); err != nil {
			return nil, err
		}
		if err := webrtc.ConfigureTWCCHeaderExtensionSender(engine, registry); err != nil {
			return nil, err
		}
	}
	settings.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	settings.SetIncludeLoopbackCandidate(true)
	settings.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4})
	settings.SetIPFilter(isLoopback)
	settings.SetPrflxAcceptanceMinWait(0)
	settings.SetDTLSRetransmissionInterval(50 * time.Millisecond)
	if o.Settings != nil {
		o.Settings(&settings)
	}
	cfg := webrtc.Configuration{}
	if o.Certificate != nil {
		cfg.Certificates = []webrtc.Certificate{*o.Certificate}
	}
	pc, err := webrtc.NewAPI(webrtc.WithMediaEngine(engine), webrtc.WithInterceptorRegistry(registry),
		webrtc.WithSettingEngine(settings)).NewPeerConnection(cfg)
	if err != nil {
		return nil, err
	}
	c := &Client{
		PC: pc, gathering: gathering.Follow(pc), Tracks: map[string]*webrtc.TrackLocalStaticRTP{}, Packets: make(chan Packet, 8192),
		RTCP: make(chan rtcp.Packet, 256), connected: make(chan struct{}), gone: make(chan struct{}),
	}
	pc.OnConnectionStateChange(func(s webrtc.PeerConnectionState) {
		switch s {
		case webrtc.PeerConnectionStateConnected:
			c.once[0].Do(func() { close(c.connected) })
		case webrtc.PeerConnectionStateFailed, webrtc.PeerConnectionStateClosed:
			c.once[1].Do(func() { close(c.gone) })
		}
	})
	pc.OnTrack(c.read)
	if err := c.add(o); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

func (c *Client) add(o Options) error {
	direction := o.Direction
	if direction == 0 {
		direction = webrtc.RTPTransceiverDirectionSendrecv
	}
	for kind, mime := range map[string]string{"audio": o.Audio, "video": o.Video} {
		if mime == "" {
			continue
		}
		if direction == webrtc.RTPTransceiverDirectionRecvonly {
			if _, err := c.PC.AddTransceiverFromKind(webrtc.NewRTPCodecType(kind), webrtc.RTPTransceiverInit{Direction: direction}); err != nil {
				return err
			}
			continue
		}
		if err := c.Add(kind, mime, direction); err != nil {
			return err
		}
	}
	if o.Data {
		if _, err := c.PC.CreateDataChannel("d", nil); err != nil {
			return err
		}
	}
	return nil
}

// Add adds a track in a codec.
func (c *Client) Add(id, mime string, direction webrtc.RTPTransceiverDirection) error {
	capability := webrtc.RTPCodecCapability{MimeType: mime}
	if mime == webrtc.MimeTypeG722 {
		capability.ClockRate = 8000 // pion knows no default
	}
	t, err := webrtc.NewTrackLocalStaticRTP(capability, id, "stream")
	if err != nil {
		return err
	}
	tr, err := c.PC.AddTransceiverFromTrack(t, webrtc.RTPTransceiverInit{Direction: direction})
	if err != nil {
		return err
	}
	c.Tracks[id] = t
	c.readers.Go(func() { c.readRTCP(tr.Sender().Read) })
	return nil
}

// read takes what comes on a track.
func (c *Client) read(t *webrtc.TrackRemote, r *webrtc.RTPReceiver) {
	c.readers.Add(2)
	go func() { defer c.readers.Done(); c.readRTCP(r.Read) }()
	go func() {
		defer c.readers.Done()
		for {
			p, _, err := t.ReadRTP()
			if err != nil {
				return
			}
			if t.Kind() == webrtc.RTPCodecTypeAudio {
				c.Audio.Add(1)
			} else {
				c.Video.Add(1)
			}
			select {
			case c.Packets <- Packet{*p, t.Kind().String(), time.Now()}:
			default:
			}
		}
	}()
}

func (c *Client) readRTCP(read func([]byte) (int, interceptor.Attributes, error)) {
	buf := make([]byte, 1600)
	for {
		n, _, err := read(buf)
		if err != nil {
			return
		}
		packets, err := rtcp.Unmarshal(buf[:n])
		if err != nil {
			continue
		}
		for _, p := range packets {
			select {
			case c.RTCP <- p:
			default:
			}
		}
	}
}

// Offer makes the client's offer, candidates complete.
func (c *Client) Offer() (string, error) { return c.offer(nil) }

// Restart makes an offer that restarts ICE.
func (c *Client) Restart() (string, error) { return c.offer(&webrtc.OfferOptions{ICERestart: true}) }

func (c *Client) offer(options *webrtc.OfferOptions) (string, error) {
	o, err := c.PC.CreateOffer(options)
	if err != nil {
		return "", err
	}
	return c.local(o)
}

// Answer takes an offer and makes the client's answer.
func (c *Client) Answer(offer string) (string, error) {
	if err := c.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: offer}); err != nil {
		return "", err
	}
	return c.AnswerTaken()
}

// AnswerTaken makes the answer to the offer that was set last.
func (c *Client) AnswerTaken() (string, error) {
	a, err := c.PC.CreateAnswer(nil)
	if err != nil {
		return "", err
	}
	return c.local(a)
}

func (c *Client) local(d webrtc.SessionDescription) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return c.gathering.Describe(ctx, d)
}

// Take takes the answer to the client's offer.
func (c *Client) Take(answer string) error {
	return c.PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeAnswer, SDP: answer})
}

// Connected is closed once the client is.
func (c *Client) Connected() <-chan struct{} { return c.connected }

// Gone is closed once the client's connection has failed or was closed.
func (c *Client) Gone() <-chan struct{} { return c.gone }

// Sender gives a function that sends packets of size bytes on a track every
// interval until ctx ends, with timestamps that grow by step.
func (c *Client) Sender(id string, size int, interval time.Duration, step uint32) func(context.Context) error {
	t := c.Tracks[id]
	return func(ctx context.Context) error {
		if t == nil {
			return fmt.Errorf("no track %q", id)
		}
		return keepSending(ctx, t, size, interval, step)
	}
}

func keepSending(ctx context.Context, t *webrtc.TrackLocalStaticRTP, size int, interval time.Duration, step uint32) error {
	tick := time.NewTicker(interval)
	defer tick.Stop()
	p := &rtp.Packet{Header: rtp.Header{Version: 2, SequenceNumber: 1000, Timestamp: 50000}, Payload: make([]byte, size)}
	for {
		p.SequenceNumber++
		p.Timestamp += step
		p.Payload[0] = byte(p.SequenceNumber)
		if err := t.WriteRTP(p); err != nil && !errors.Is(err, io.ErrClosedPipe) {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// Close ends the client.
func (c *Client) Close() {
	_ = c.PC.GracefulClose()
	c.readers.Wait()
}
