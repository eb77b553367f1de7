package pionleg

import (
	"encoding/binary"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/interceptor/pkg/nack"
	"github.com/pion/interceptor/pkg/report"
	"github.com/pion/interceptor/pkg/twcc"
	"github.com/pion/rtcp"
)

// source is one RTP source of a terminal.
type source struct {
	ssrc uint32
	at   time.Time // of its last packet
	// line it belongs to, as of media.
	media *media
	line  *line
	// report and repair are told of its packets: for receiver reports and NACKs.
	report, repair interceptor.RTPReader
}

// place finds a source's line, anew after each exchange.
func (in *inbound) place(s *source, m *media) {
	s.media, s.line = m, m.owner(in.header)
}

// feedback is what we tell a terminal about what it sends, apart from what a
// bridge asks for. Each kind begins with the first stream that needs it, since
// each wakes a leg again and again.
type feedback struct {
	t       *transport
	reports *report.ReceiverInterceptor
	sender  interceptor.RTCPReader
	nacks   *nack.GeneratorInterceptor
	arrival arrival
	// missing is what our reports say is lost. They all come from one goroutine.
	missing loss
}

// packetInHand is the reader that the makers of feedback read from: the packet
// is there already.
func packetInHand(b []byte, a interceptor.Attributes) (int, interceptor.Attributes, error) {
	return len(b), a, nil
}

// received counts a packet for receiver reports (RFC 3550 section 6.4).
func (f *feedback) received(s *source, pl *plan) {
	in := f.t.in
	if s.report == nil {
		if f.reports == nil && !f.startReports() {
			return
		}
		s.report = f.reports.BindRemoteStream(&interceptor.StreamInfo{
			SSRC: s.ssrc, ClockRate: max(pl.clock[in.header.PayloadType&0x7f], 8000),
		}, interceptor.RTPReaderFunc(packetInHand))
	}
	_, _, _ = s.report.Read(in.packet, in.attributes)
}

func (f *feedback) startReports() bool {
	factory, err := report.NewReceiverInterceptor(report.WithReceiverLoggerFactory(f.t.e.logs))
	if err != nil {
		return false
	}
	i, err := factory.NewInterceptor("")
	if err != nil {
		return false
	}
	r, ok := i.(*report.ReceiverInterceptor)
	if !ok {
		return false
	}
	f.reports = r
	f.sender = r.BindRTCPReader(interceptor.RTCPReaderFunc(packetInHand))
	r.BindRTCPWriter(interceptor.RTCPWriterFunc(f.report))
	return true
}

// report sends receiver reports of ours.
func (f *feedback) report(packets []rtcp.Packet, a interceptor.Attributes) (int, error) {
	for _, p := range packets {
		if r, ok := p.(*rtcp.ReceiverReport); ok {
			f.missing.add(r.Reports, 0, &f.t.p.counts.lostIn)
		}
	}
	return f.write(packets, a)
}

// repaired notes that a packet need not be asked for (RFC 4585 section 6.2.1).
func (f *feedback) repaired(s *source, pl *plan) {
	if !pl.nack {
		return
	}
	in := f.t.in
	if s.repair == nil {
		if f.nacks == nil && !f.startNacks() {
			return
		}
		s.repair = f.nacks.BindRemoteStream(&interceptor.StreamInfo{
			SSRC: s.ssrc, RTCPFeedback: []interceptor.RTCPFeedback{{Type: "nack"}},
		}, interceptor.RTPReaderFunc(packetInHand))
	}
	_, _, _ = s.repair.Read(in.packet, in.attributes)
}

func (f *feedback) startNacks() bool {
	factory, err := nack.NewGeneratorInterceptor(nack.WithGeneratorLoggerFactory(f.t.e.logs), nack.GeneratorMaxNacksPerPacket(10))
	if err != nil {
		return false
	}
	i, err := factory.NewInterceptor("")
	if err != nil {
		return false
	}
	n, ok := i.(*nack.GeneratorInterceptor)
	if !ok {
		return false
	}
	f.nacks = n
	n.BindRTCPWriter(interceptor.RTCPWriterFunc(f.write))
	return true
}

// reported takes the terminal's sender reports, which receiver reports refer to.
func (f *feedback) reported(raw []byte, parsed interceptor.Attributes) {
	if f.sender != nil {
		_, _, _ = f.sender.Read(raw, parsed)
	}
}

// arrived notes a packet's transport-wide number.
func (f *feedback) arrived(ssrc uint32, extension []byte) {
	if len(extension) >= 2 {
		f.arrival.note(f, ssrc, binary.BigEndian.Uint16(extension))
	}
}

// forget ends what is kept for a source.
func (f *feedback) forget(s *source) {
	info := &interceptor.StreamInfo{SSRC: s.ssrc}
	if s.report != nil {
		f.reports.UnbindRemoteStream(info)
	}
	if s.repair != nil {
		f.nacks.UnbindRemoteStream(info)
	}
}

func (f *feedback) write(packets []rtcp.Packet, _ interceptor.Attributes) (int, error) {
	f.t.sendRTCP(packets...)
	return 0, nil
}

func (f *feedback) close() {
	if f.reports != nil {
		_ = f.reports.Close()
	}
	if f.nacks != nil {
		_ = f.nacks.Close()
	}
	f.arrival.close()
}

// arrivalEvery is how often transport-wide feedback is sent while packets come.
const arrivalEvery = 100 * time.Millisecond

// arrival makes transport-wide congestion feedback
// (draft-holmer-rmcat-transport-wide-cc-extensions-01).
type arrival struct {
	mu       sync.Mutex
	recorder *twcc.Recorder
	begun    time.Time
	timer    *time.Timer
	waiting  bool
	closed   bool
}

func (a *arrival) note(f *feedback, ssrc uint32, number uint16) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.closed {
		return
	}
	if a.recorder == nil {
		a.recorder, a.begun = twcc.NewRecorder(rand.Uint32()), time.Now() //nolint:gosec // a name
	}
	a.recorder.Record(ssrc, number, time.Since(a.begun).Microseconds())
	switch {
	case a.waiting:
		return
	case a.timer == nil:
		a.timer = time.AfterFunc(arrivalEvery, func() { a.send(f) })
	default:
		a.timer.Reset(arrivalEvery)
	}
	a.waiting = true
}

func (a *arrival) send(f *feedback) {
	a.mu.Lock()
	a.waiting = false
	var packets []rtcp.Packet
	if !a.closed {
		packets = a.recorder.BuildFeedbackPacket()
	}
	a.mu.Unlock()
	if len(packets) > 0 {
		f.t.sendRTCP(packets...)
	}
}

func (a *arrival) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = true
	if a.timer != nil {
		a.timer.Stop()
	}
}
