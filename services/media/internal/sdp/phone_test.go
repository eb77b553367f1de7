package sdp

import (
	"slices"
	"strconv"
	"strings"
	"testing"
)

// phone is a terminal with a leg's session, as a browser would behave: it keeps
// the numbers of formats, takes a refused line's place with a new mid, and answers
// no more than it was asked.
type phone struct {
	t     testing.TB
	lines []phoneLine
	// numbers of formats by name, as last negotiated.
	numbers map[string]uint8
	mids    int
	ufrag   int
	origin  int
	// refuses makes it refuse lines that are new to it.
	refuses bool
	// session is our side.
	session *Session
	// meaning of numbers in what it was told: "kind/number" to key, and "ext/id".
	meaning map[string]string
}

type phoneLine struct {
	kind, mid string
	// wants is what the user wants, told what was negotiated.
	wants    Direction
	rejected bool
	formats  []string
}

func newPhone(t testing.TB, first uint8) *phone {
	p := &phone{t: t, numbers: map[string]uint8{}, meaning: map[string]string{}, origin: int(first)}
	for i, name := range []string{"opus/48000/2", "telephone-event/8000", "VP8/90000", "H264/90000", "rtx/90000"} {
		p.numbers[name] = first + uint8(i) //nolint:gosec // small
	}
	p.numbers["PCMU/8000"] = 0
	return p
}

func (p *phone) add(kind string, wants Direction) {
	l := phoneLine{kind: kind, wants: wants, mid: "m" + strconv.Itoa(p.mids), formats: p.can(kind)}
	p.mids++
	for i := range p.lines {
		if p.lines[i].rejected && p.lines[i].kind == kind {
			p.lines[i] = l
			return
		}
	}
	p.lines = append(p.lines, l)
}

func (p *phone) can(kind string) []string {
	if kind == Video {
		return []string{"VP8/90000", "H264/90000"}
	}
	return []string{"opus/48000/2", "PCMU/8000", "telephone-event/8000"}
}

// describe writes what the phone says of a line.
func (p *phone) line(l *phoneLine, direction Direction) string {
	if l.rejected {
		return line(l.kind+" 0 UDP/TLS/RTP/SAVPF 0", "mid:"+l.mid)
	}
	var numbers []string
	attributes := []string{
		"mid:" + l.mid, string(direction), "rtcp-mux", "setup:actpass", "ice-ufrag:frag" + strconv.Itoa(p.ufrag), "ice-pwd:0123456789012345678901",
		fingerprint(), "extmap:4 " + ExtensionMID, "extmap:9 urn:nobody:knows",
	}
	for _, f := range l.formats {
		n := strconv.Itoa(int(p.numbers[f]))
		numbers = append(numbers, n)
		attributes = append(attributes, "rtpmap:"+n+" "+f)
	}
	return line(l.kind+" 9 UDP/TLS/RTP/SAVPF "+strings.Join(numbers, " "), attributes...)
}

func (p *phone) text(direction func(i int) Direction) string {
	var mids, lines []string
	for i := range p.lines {
		l := &p.lines[i]
		if !l.rejected {
			mids = append(mids, l.mid)
		}
		lines = append(lines, p.line(l, direction(i)))
	}
	return strings.Replace(describe(strings.Join(mids, " "), lines...), "o=- 1 ", "o=- "+strconv.Itoa(p.origin)+" ", 1)
}

func (p *phone) offer() string {
	return p.text(func(i int) Direction { return p.lines[i].wants })
}

// reoffer has the phone's offer answered within what the other one can do.
func (p *phone) reoffer(other *phone) bool {
	p.t.Helper()
	text := p.offer()
	d := offered(p.t, text)
	if p.session != nil {
		if !d.Continues(p.session) {
			p.t.Fatalf("a new client?\n%s", text)
		}
		if err := d.Align(p.session); err != nil {
			p.t.Fatalf("%v\n%s", err, text)
		}
	}
	s, err := Answer(d, other.bounds(), p.session, 7)
	if err != nil {
		return false
	}
	if len(s.Lines) != len(d.Lines) {
		p.t.Fatalf("%d lines in the answer to %d", len(s.Lines), len(d.Lines))
	}
	p.take(s, false)
	return true
}

// take checks and keeps our side of an exchange, and its effect on the phone.
func (p *phone) take(s *Session, ours bool) {
	p.t.Helper()
	if p.session != nil {
		p.compare(p.session, s)
	}
	mids := map[string]bool{}
	for i := range s.Lines {
		l := &s.Lines[i]
		if mids[l.MID] {
			p.t.Fatalf("mid %s twice", l.MID)
		}
		mids[l.MID] = true
		for _, c := range l.Codecs {
			p.means(l.Kind+"/"+strconv.Itoa(int(c.PayloadType)), c.Key)
		}
		if ours {
			for _, e := range l.Extensions {
				p.means("ext/"+strconv.Itoa(int(e.ID)), e.URI)
			}
		}
	}
	reread(p.t, s.Clone())
	p.session = s
	for i := range p.lines {
		p.lines[i].rejected = s.Lines[i].Rejected
	}
}

func (p *phone) means(what, meaning string) {
	p.t.Helper()
	if old := p.meaning[what]; old != "" && old != meaning {
		p.t.Fatalf("%s was %s, is %s", what, old, meaning)
	}
	p.meaning[what] = meaning
}

// compare holds a session against the one before.
func (p *phone) compare(before, after *Session) {
	p.t.Helper()
	if len(after.Lines) < len(before.Lines) || after.OriginVersion <= before.OriginVersion && after != before {
		p.t.Fatalf("%d lines, version %d after %d lines, version %d", len(after.Lines), after.OriginVersion, len(before.Lines), before.OriginVersion)
	}
	for i := range before.Lines {
		b, a := &before.Lines[i], &after.Lines[i]
		if !b.Rejected && (a.MID != b.MID || a.Kind != b.Kind || a.Slot != b.Slot) {
			p.t.Fatalf("line %d was %s %q %v, is %s %q %v", i, b.Kind, b.MID, b.Slot, a.Kind, a.MID, a.Slot)
		}
		if b.SSRC != 0 && a.MID == b.MID && !a.Rejected && a.SSRC != b.SSRC {
			p.t.Fatalf("line %d changed its source", i)
		}
	}
}

// offerTo offers the phone what the other can do, and reports whether there was
// anything to offer. Withdrawn offers leave nothing.
func (p *phone) offerTo(from *phone, withdraw bool) bool {
	p.t.Helper()
	s := p.session.Reoffer(from.bounds(), true)
	if s == nil {
		return false
	}
	for i := range s.Lines {
		if l := &s.Lines[i]; !l.Rejected && l.Direction.Sends() && l.SSRC == 0 {
			l.SSRC = uint32(1000*p.origin + i + 1) //nolint:gosec // small
		}
	}
	p.compare(p.session, s)
	if withdraw {
		return true
	}
	text := p.answer(s.Write(local()))
	d := answered(p.t, text)
	n, err := s.Accept(d)
	if err != nil {
		p.t.Fatalf("%v\n%s\n%s", err, s.Write(local()), text)
	}
	p.take(n, true)
	return true
}

// answer is the phone's answer to an offer of ours.
func (p *phone) answer(offer string) string {
	d := offered(p.t, offer)
	directions := make([]Direction, len(d.Lines))
	for i := range d.Lines {
		o := &d.Lines[i]
		if i == len(p.lines) {
			p.lines = append(p.lines, phoneLine{rejected: true})
		}
		l := &p.lines[i]
		fresh := l.mid != o.MID
		if fresh {
			if !l.rejected {
				p.t.Fatalf("line %d is taken by %q", i, o.MID)
			}
			*l = phoneLine{kind: o.Kind, mid: o.MID, wants: SendRecv, rejected: o.Zero || p.refuses}
		}
		l.rejected = l.rejected || o.Zero
		if l.rejected {
			continue
		}
		l.formats = nil
		for _, c := range o.Codecs {
			name := c.Name + "/" + strconv.FormatUint(uint64(c.ClockRate), 10)
			if c.Channels > 1 {
				name += "/" + strconv.Itoa(int(c.Channels))
			}
			if slices.Contains(p.can(l.kind), name) {
				l.formats = append(l.formats, name)
				p.numbers[name] = c.PayloadType
			}
		}
		directions[i] = l.wants.And(o.Direction.Reverse())
	}
	return p.text(func(i int) Direction { return directions[i] })
}

func (p *phone) bounds() Bounds {
	if p.session == nil {
		return offered(p.t, p.offer()).Bounds()
	}
	b := p.session.Bounds()
	b.Video = true
	return b
}

// call connects two phones.
func call(t testing.TB, a, b *phone) {
	t.Helper()
	s, err := Offer(a.bounds(), true, nil, 9)
	if err != nil {
		t.Fatal(err)
	}
	n, err := s.Accept(answered(t, b.answer(s.Write(local()))))
	if err != nil {
		t.Fatal(err)
	}
	b.take(n, true)
	if !a.reoffer(b) {
		t.Fatal("no answer for the caller")
	}
	if a.offerTo(b, false) || b.offerTo(a, false) {
		t.Fatal("there is something to tell right after the call began")
	}
}

// settle has each told what is new until nothing is, and gives how often.
func settle(t testing.TB, a, b *phone) int {
	t.Helper()
	for n := 0; ; n++ {
		if n > 8 {
			t.Fatal("re-offers do not end")
		}
		// As call state does it: the far side of a change first.
		if !b.offerTo(a, false) && !a.offerTo(b, false) {
			return n
		}
		a, b = b, a
	}
}
