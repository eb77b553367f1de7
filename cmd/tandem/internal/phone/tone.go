package phone

import (
	"fmt"
	"math"

	"github.com/thesyncim/gopus"
)

// Opus in RTP (RFC 7587) always runs on a clock of 48 kHz.
const (
	opusRate  = 48000
	frameSize = opusRate / 50 // 20 ms
	maxOpus   = 4000          // bytes; any Opus packet fits
)

// source makes Opus packets, one after the other.
type source interface {
	// next gives a packet and how many samples at 48 kHz it lasts.
	next() (packet []byte, samples int, err error)
	close() error
}

// tone is a sine that goes on for ever.
type tone struct {
	enc   *gopus.Encoder
	step  float64
	phase float64
	pcm   []float32
	out   []byte
}

// loudness of the tone: -12 dBFS, a comfortable level.
const loudness = 0.25

func newTone(hz float64) (*tone, error) {
	if !(hz >= 50 && hz <= 8000) {
		return nil, fmt.Errorf("phone: a tone of %g Hz: must be 50 to 8000", hz)
	}
	enc, err := gopus.NewEncoder(gopus.EncoderConfig{
		SampleRate: opusRate, Channels: 1, Application: gopus.ApplicationAudio,
	})
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	if err := enc.SetFrameSize(frameSize); err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	return &tone{
		enc: enc, step: 2 * math.Pi * hz / opusRate,
		pcm: make([]float32, frameSize), out: make([]byte, maxOpus),
	}, nil
}

func (t *tone) next() ([]byte, int, error) {
	for i := range t.pcm {
		t.pcm[i] = float32(loudness * math.Sin(t.phase))
		t.phase = math.Mod(t.phase+t.step, 2*math.Pi)
	}
	n, err := t.enc.Encode(t.pcm, t.out)
	if err != nil {
		return nil, 0, fmt.Errorf("phone: %w", err)
	}
	return t.out[:n], frameSize, nil
}

func (t *tone) close() error { return nil }
