package phone

import (
	"math"
	"math/cmplx"

	"github.com/thesyncim/gopus"
)

// ear decodes Opus and finds the strongest frequency of all that it heard. It
// is used by one goroutine.
type ear struct {
	dec    *gopus.Decoder
	pcm    []float32
	window []float64 // samples of the present window
	power  []float64 // summed over all windows
	count  int       // samples
	energy float64   // of those
}

const (
	// earRate suffices for tones up to 8 kHz at a third of the work of 48 kHz.
	earRate = 16000
	// earWindow gives bins of 7.8 Hz, and interpolation far better than that.
	earWindow = 2048
	// earLeast is what must have been heard: 60 ms.
	earLeast = earRate * 60 / 1000
	// silence is the mean power under which there is nothing: -60 dBFS.
	silence = 1e-6
)

func newEar() (*ear, error) {
	cfg := gopus.DefaultDecoderConfig(earRate, 1)
	dec, err := gopus.NewDecoder(cfg)
	if err != nil {
		return nil, err
	}
	return &ear{
		dec: dec, pcm: make([]float32, cfg.MaxPacketSamples*cfg.Channels),
		window: make([]float64, 0, earWindow), power: make([]float64, earWindow/2),
	}, nil
}

// hear takes one packet. What cannot be decoded is skipped.
func (e *ear) hear(packet []byte) {
	n, err := e.dec.Decode(packet, e.pcm)
	if err != nil {
		return
	}
	e.listen(e.pcm[:n])
}

// listen takes samples.
func (e *ear) listen(pcm []float32) {
	for _, s := range pcm {
		e.window = append(e.window, float64(s))
		if len(e.window) == earWindow {
			e.transform()
			e.window = e.window[:0]
		}
	}
}

// transform adds the present window's spectrum.
func (e *ear) transform() {
	x := make([]complex128, earWindow)
	for i, s := range e.window {
		e.energy += s * s
		hann := 0.5 - 0.5*math.Cos(2*math.Pi*float64(i)/float64(len(e.window)))
		x[i] = complex(s*hann, 0)
	}
	fft(x)
	for i := range e.power {
		a := cmplx.Abs(x[i])
		e.power[i] += a * a
	}
	e.count += len(e.window)
}

// tone gives the strongest frequency in Hz, rounded to a tenth; 0 for silence
// or too little audio.
func (e *ear) tone() float64 {
	if e.count == 0 && len(e.window) >= earLeast {
		e.transform()
	}
	if e.count == 0 || e.energy/float64(e.count) < silence {
		return 0
	}
	best := 2 // what lies below 8 Hz is no tone
	for i := range e.power {
		if i > best && e.power[i] > e.power[best] {
			best = i
		}
	}
	if best+1 >= len(e.power) {
		return 0
	}
	// The peak of a parabola through the logarithms of the bin and its
	// neighbours is the frequency between bins.
	a, b, c := logPower(e.power[best-1]), logPower(e.power[best]), logPower(e.power[best+1])
	shift := 0.0
	if d := a - 2*b + c; d != 0 {
		shift = 0.5 * (a - c) / d
	}
	hz := (float64(best) + shift) * earRate / earWindow
	return math.Round(hz*10) / 10
}

func logPower(p float64) float64 { return math.Log(max(p, 1e-30)) }

// fft transforms in place; the length is a power of two (Cooley and Tukey).
func fft(x []complex128) {
	n := len(x)
	for i, j := 1, 0; i < n; i++ {
		bit := n >> 1
		for ; j&bit != 0; bit >>= 1 {
			j ^= bit
		}
		if j ^= bit; i < j {
			x[i], x[j] = x[j], x[i]
		}
	}
	for size := 2; size <= n; size <<= 1 {
		turn := cmplx.Rect(1, -2*math.Pi/float64(size))
		for from := 0; from < n; from += size {
			w := complex(1, 0)
			for k := from; k < from+size/2; k++ {
				a, b := x[k], x[k+size/2]*w
				x[k], x[k+size/2] = a+b, a-b
				w *= turn
			}
		}
	}
}
