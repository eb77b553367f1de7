package harness

import (
	"encoding/binary"
	"math"
	"os"
)

const (
	wavRate = 48000
	// wavSeconds of tone are played again and again. Tones are whole numbers of
	// hertz, so a whole number of seconds has no seam.
	wavSeconds = 2
	// wavLevel is the amplitude: loud enough to measure, far from clipping.
	wavLevel = 0.35
)

// writeTone writes a WAV file (PCM, 16 bits, mono) with a sine of hertz, for
// browsers to take as their microphone.
func writeTone(path string, hertz int) error {
	const samples = wavRate * wavSeconds
	const dataSize = samples * 2
	b := make([]byte, 0, 44+dataSize)
	le := binary.LittleEndian
	b = append(b, "RIFF"...)
	b = le.AppendUint32(b, 36+dataSize)
	b = append(b, "WAVEfmt "...)
	b = le.AppendUint32(b, 16) // size of the format that follows
	b = le.AppendUint16(b, 1)  // PCM
	b = le.AppendUint16(b, 1)  // channels
	b = le.AppendUint32(b, wavRate)
	b = le.AppendUint32(b, wavRate*2) // bytes a second
	b = le.AppendUint16(b, 2)         // bytes a frame
	b = le.AppendUint16(b, 16)        // bits a sample
	b = append(b, "data"...)
	b = le.AppendUint32(b, dataSize)
	for i := range samples {
		v := wavLevel * math.Sin(2*math.Pi*float64(hertz)*float64(i)/wavRate)
		b = le.AppendUint16(b, uint16(int16(v*math.MaxInt16))) //nolint:gosec // two's complement is meant
	}
	return os.WriteFile(path, b, 0o600)
}
