package phone

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pion/rtp"
	"github.com/thesyncim/gopus"
	"github.com/thesyncim/gopus/container/ogg"
)

// player reads an Ogg/Opus file over and over (RFC 7845).
type player struct {
	file *os.File
	r    *ogg.Reader
	some bool // the present round gave a packet
}

func newPlayer(path string) (*player, error) {
	f, err := os.Open(path) //nolint:gosec // the user's own file
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	p := &player{file: f}
	if err := p.rewind(); err != nil {
		_ = f.Close()
		return nil, err
	}
	if p.r.Channels() > 2 {
		_ = f.Close()
		return nil, fmt.Errorf("phone: %s: %d channels; RTP carries one or two", path, p.r.Channels())
	}
	return p, nil
}

func (p *player) rewind() error {
	if _, err := p.file.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("phone: %w", err)
	}
	r, err := ogg.NewReader(bufio.NewReader(p.file))
	if err != nil {
		return fmt.Errorf("phone: %s: %w", p.file.Name(), err)
	}
	p.r, p.some = r, false
	return nil
}

func (p *player) next() ([]byte, int, error) {
	for {
		packet, _, err := p.r.ReadPacket()
		switch {
		case errors.Is(err, io.EOF) && p.some:
			if err := p.rewind(); err != nil {
				return nil, 0, err
			}
			continue
		case errors.Is(err, io.EOF):
			return nil, 0, fmt.Errorf("phone: %s holds no audio", p.file.Name())
		case err != nil:
			return nil, 0, fmt.Errorf("phone: %s: %w", p.file.Name(), err)
		}
		samples, ok := packetSamples(packet)
		if !ok {
			continue
		}
		p.some = true
		return packet, samples, nil
	}
}

func (p *player) close() error { return p.file.Close() }

// packetSamples gives an Opus packet's duration at 48 kHz (RFC 6716 section 3).
func packetSamples(packet []byte) (int, bool) {
	info, err := gopus.ParsePacket(packet)
	if err != nil {
		return 0, false
	}
	n := info.FrameCount * info.TOC.FrameSize
	return n, n > 0 && n <= 120*opusRate/1000
}

// recorder writes received audio to an Ogg/Opus file. It is used by one
// goroutine.
type recorder struct {
	file *os.File
	buf  *bufio.Writer
	w    *ogg.Writer
	any  bool
	seq  uint16
	ts   uint32
}

// recordingName gives the file of the n-th call, from 1: call.ogg, call-2.ogg.
func recordingName(path string, n int) string {
	if n == 1 {
		return path
	}
	ext := filepath.Ext(path)
	return strings.TrimSuffix(path, ext) + "-" + strconv.Itoa(n) + ext
}

func newRecorder(path string) (*recorder, error) {
	f, err := os.Create(path) //nolint:gosec // the user's own choice
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	buf := bufio.NewWriter(f)
	w, err := ogg.NewWriter(buf, opusRate, 2)
	if err != nil {
		_ = f.Close()
		return nil, fmt.Errorf("phone: %w", err)
	}
	return &recorder{file: f, buf: buf, w: w}, nil
}

// write takes a packet. Late ones are left out; of a gap the file's clock tells.
func (r *recorder) write(p *rtp.Packet) error {
	samples, ok := packetSamples(p.Payload)
	if !ok || r.any && int16(p.SequenceNumber-r.seq) <= 0 { //nolint:gosec // RFC 1982 comparison
		return nil
	}
	if gap := int32(p.Timestamp - r.ts); r.any && gap > 0 && gap < 10*opusRate { //nolint:gosec // as above
		samples += int(gap) // what was lost, or not sent, before this packet
	}
	n, _ := packetSamples(p.Payload)
	r.any, r.seq, r.ts = true, p.SequenceNumber, p.Timestamp+uint32(n) //nolint:gosec // bounded by 5760
	return r.w.WritePacket(p.Payload, samples)
}

func (r *recorder) close() error {
	return errors.Join(r.w.Close(), r.buf.Flush(), r.file.Close())
}
