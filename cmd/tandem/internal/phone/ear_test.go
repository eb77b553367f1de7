package phone

import (
	"math"
	"math/cmplx"
	"math/rand/v2"
	"testing"
)

// What a tone is made of is what an ear finds in it, through Opus.
func TestToneAndEar(t *testing.T) {
	for _, hz := range []float64{100, 350, 440, 700, 1000.5, 2600, 7000} {
		tone, err := newTone(hz)
		if err != nil {
			t.Fatal(err)
		}
		ear, err := newEar()
		if err != nil {
			t.Fatal(err)
		}
		for range 50 { // a second
			packet, samples, err := tone.next()
			if err != nil {
				t.Fatal(err)
			}
			if n, ok := packetSamples(packet); !ok || n != samples || n != frameSize {
				t.Fatalf("a packet of %d samples", n)
			}
			ear.hear(packet)
		}
		if got := ear.tone(); math.Abs(got-hz) > 1 {
			t.Errorf("%g Hz was heard as %g", hz, got)
		}
	}
	for _, hz := range []float64{0, -1, 49, 8001, math.NaN(), math.Inf(1)} {
		if _, err := newTone(hz); err == nil {
			t.Errorf("a tone of %g Hz is no error", hz)
		}
	}
}

func TestSilence(t *testing.T) {
	ear, err := newEar()
	if err != nil {
		t.Fatal(err)
	}
	if got := ear.tone(); got != 0 {
		t.Errorf("nothing was heard as %g Hz", got)
	}
	ear.listen(make([]float32, 3*earWindow))
	if got := ear.tone(); got != 0 {
		t.Errorf("silence was heard as %g Hz", got)
	}
	ear.hear([]byte{0xff, 0xff, 0xff}) // no Opus: skipped
	ear.hear(nil)
}

// The strongest of several wins, also over noise.
func TestEarAmongNoise(t *testing.T) {
	ear, err := newEar()
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 2))
	pcm := make([]float32, 8*earWindow)
	for i := range pcm {
		at := 2 * math.Pi * float64(i) / earRate
		pcm[i] = float32(0.2*math.Sin(440*at) + 0.1*math.Sin(1200*at) + 0.1*(r.Float64()-0.5))
	}
	ear.listen(pcm)
	if got := ear.tone(); math.Abs(got-440) > 1 {
		t.Errorf("heard %g Hz, want 440", got)
	}
}

func TestFFT(t *testing.T) {
	const n = 64
	r := rand.New(rand.NewPCG(3, 4))
	x := make([]complex128, n)
	for i := range x {
		x[i] = complex(r.Float64(), r.Float64())
	}
	want := make([]complex128, n)
	for k := range want {
		for i, v := range x {
			want[k] += v * cmplx.Rect(1, -2*math.Pi*float64(k*i)/n)
		}
	}
	fft(x)
	for k := range want {
		if cmplx.Abs(x[k]-want[k]) > 1e-9 {
			t.Fatalf("bin %d is %v, want %v", k, x[k], want[k])
		}
	}
}
