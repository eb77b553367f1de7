package phone

import (
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"

	"github.com/pion/rtp"
)

// sound is what a call sends and what is done with what it hears. It outlives
// the call's transport: one peer after another uses it.
type sound struct {
	// source is sent; nil sends nothing.
	source source
	// echo sends back what is received.
	echo   bool
	ear    *ear      // nil does not measure
	record *recorder // nil does not record
	log    *slog.Logger

	packets, video atomic.Int64
	first          sync.Once
	heard          chan struct{} // closed when the first audio arrives
}

// count counts one packet of audio.
func (s *sound) count() {
	s.packets.Add(1)
	s.first.Do(func() { close(s.heard) })
}

// hear measures and records one packet of Opus. One goroutine calls it.
func (s *sound) hear(packet *rtp.Packet) {
	if len(packet.Payload) == 0 {
		return
	}
	if s.ear != nil {
		s.ear.hear(packet.Payload)
	}
	if s.record == nil {
		return
	}
	if err := s.record.write(packet); err != nil {
		s.log.Error("not recorded", "error", err)
	}
}

// close ends files and gives what was measured. No peer uses the sound any
// more.
func (s *sound) close(r *Result) error {
	r.RxPackets, r.RxVideoPackets = int(s.packets.Load()), int(s.video.Load())
	if s.ear != nil {
		r.RxToneHz = s.ear.tone()
	}
	var err error
	if s.source != nil {
		err = s.source.close()
	}
	if s.record != nil {
		err = errors.Join(err, s.record.close())
	}
	return err
}
