package sdp

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func phones(t testing.TB, kinds ...string) (a, b *phone) {
	a, b = newPhone(t, 96), newPhone(t, 110)
	for _, k := range kinds {
		a.add(k, SendRecv)
	}
	call(t, a, b)
	return a, b
}

// flows says in which directions a slot's media goes: "ab" both, "a" to b only.
func flows(a, b *phone, slot Slot) string {
	of := func(p *phone) *SessionLine {
		i := slices.IndexFunc(p.session.Lines, func(l SessionLine) bool { return l.Slot == slot && !l.Rejected })
		if i < 0 {
			return &SessionLine{Direction: Inactive}
		}
		return &p.session.Lines[i]
	}
	x, y, out := of(a).Direction, of(b).Direction, ""
	if x.Receives() && y.Sends() {
		out += "a"
	}
	if y.Receives() && x.Sends() {
		out += "b"
	}
	return out
}

var (
	audioSlot = Slot{Kind: Audio}
	videoSlot = Slot{Kind: Video}
)

func TestHoldAndResume(t *testing.T) {
	a, b := phones(t, Audio)
	for _, step := range []struct {
		who   *phone
		wants Direction
		want  string
		hops  int
	}{
		{a, SendOnly, "a", 1},
		{a, SendRecv, "ab", 1}, // at once for a: b wishes no less
		{a, Inactive, "", 1},
		{b, SendOnly, "", 0}, // nothing that a could do about it
		{a, SendRecv, "b", 1},
		{b, SendRecv, "ab", 1},
		{b, RecvOnly, "a", 1},
		{a, SendRecv, "a", 0},
	} {
		other := map[*phone]*phone{a: b, b: a}[step.who]
		step.who.lines[0].wants = step.wants
		if !step.who.reoffer(other) {
			t.Fatal("no answer")
		}
		hops := settle(t, step.who, other)
		if got := flows(a, b, audioSlot); got != step.want || hops != step.hops {
			t.Errorf("%s: media flows %q after %d re-offers, not %q after %d", step.wants, got, hops, step.want, step.hops)
		}
	}
}

func TestVideoIsAddedAndTakenAway(t *testing.T) {
	a, b := phones(t, Audio)
	for round := range 3 {
		a.add(Video, SendRecv)
		if !a.reoffer(b) {
			t.Fatal("no answer")
		}
		hops := 1
		if l := a.session.Lines[1]; round == 0 {
			if hops = 2; l.Rejected || l.Direction != Inactive || len(l.Codecs) != 2 {
				t.Fatalf("a line that the other side could have is answered %+v", l)
			}
		}
		if n := settle(t, a, b); n != hops || flows(a, b, videoSlot) != "ab" {
			t.Errorf("%d re-offers, video flows %q", n, flows(a, b, videoSlot))
		}
		a.lines[1].rejected = true
		if !a.reoffer(b) {
			t.Fatal("no answer")
		}
		if n := settle(t, a, b); n != 1 || flows(a, b, videoSlot) != "" || flows(a, b, audioSlot) != "ab" {
			t.Errorf("%d re-offers, video flows %q", n, flows(a, b, videoSlot))
		}
	}
	if len(a.session.Lines) != 2 || len(b.session.Lines) != 2 {
		t.Errorf("slots are used again: %d and %d lines", len(a.session.Lines), len(b.session.Lines))
	}
	// Now the other side wants it, and has it in its slot still.
	b.lines[1].wants = RecvOnly
	if !b.reoffer(a) {
		t.Fatal("no answer")
	}
	settle(t, b, a)
	if flows(a, b, videoSlot) != "" {
		t.Error("video was taken away, and is back unasked")
	}
	b.lines[1].wants = SendRecv
	if !b.reoffer(a) {
		t.Fatal("no answer")
	}
	settle(t, b, a)
	if flows(a, b, videoSlot) != "ab" {
		t.Errorf("video flows %q", flows(a, b, videoSlot))
	}
}

func TestWhoRefusesVideoIsAskedAgainOnlyByANewAsk(t *testing.T) {
	a, b := phones(t, Audio)
	b.refuses = true
	a.add(Video, SendRecv)
	a.reoffer(b)
	if n := settle(t, a, b); n != 1 || !b.session.Lines[1].Rejected || a.session.Lines[1].Rejected {
		t.Fatalf("%d re-offers: %+v", n, b.session.Lines[1])
	}
	a.lines[0].wants = SendOnly
	a.reoffer(b)
	if settle(t, a, b) != 1 || len(b.session.Lines) != 2 || !b.session.Lines[1].Rejected {
		t.Error("a hold asks for video again")
	}
	a.lines[1].wants = Inactive
	a.reoffer(b)
	settle(t, a, b)
	b.refuses = false
	a.lines[1].wants = SendRecv
	a.reoffer(b)
	if settle(t, a, b) == 0 || flows(a, b, videoSlot) != "ab" {
		t.Error("a new ask is not passed on")
	}
}

func TestTerminalWithoutVideoIsNotAsked(t *testing.T) {
	a, b := phones(t, Audio)
	a.add(Video, SendRecv)
	d := offered(t, a.offer())
	if err := d.Align(a.session); err != nil {
		t.Fatal(err)
	}
	bounds := b.session.Bounds()
	s, err := Answer(d, bounds, a.session, 1)
	if err != nil || !s.Lines[1].Rejected {
		t.Errorf("%+v, %v", s, err)
	}
	if b.session.Reoffer(s.Bounds(), false) != nil {
		t.Error("video is offered")
	}
}

func TestCrossingReoffers(t *testing.T) {
	a, b := phones(t, Audio)
	a.add(Video, SendRecv)
	a.reoffer(b)
	if !b.offerTo(a, true) { // our offer to b is out, and b's own one wins
		t.Fatal("nothing to offer")
	}
	b.add(Video, SendRecv)
	if !b.reoffer(a) || b.session.Lines[1].Direction != SendRecv {
		t.Fatalf("b's video meets a's: %+v", b.session.Lines)
	}
	settle(t, b, a)
	if flows(a, b, videoSlot) != "ab" || len(a.session.Lines) != 2 || len(b.session.Lines) != 2 {
		t.Errorf("video flows %q on %d and %d lines", flows(a, b, videoSlot), len(a.session.Lines), len(b.session.Lines))
	}
}

func TestCodecsThatGoAndCome(t *testing.T) {
	a, b := phones(t, Audio)
	a.lines[0].formats = []string{"PCMU/8000"}
	a.reoffer(b)
	if names(a.session.Lines[0].Codecs) != "pcmu" || settle(t, a, b) != 1 || names(b.session.Lines[0].Codecs) != "pcmu" {
		t.Errorf("a codec that is gone: %s and %s", names(a.session.Lines[0].Codecs), names(b.session.Lines[0].Codecs))
	}
	a.lines[0].formats = []string{"opus/48000/2"}
	a.reoffer(b)
	settle(t, a, b)
	if flows(a, b, audioSlot) != "ab" || names(a.session.Lines[0].Codecs) != "opus" || names(b.session.Lines[0].Codecs) != "opus" {
		t.Errorf("another codec: %s and %s, %q", names(a.session.Lines[0].Codecs), names(b.session.Lines[0].Codecs), flows(a, b, audioSlot))
	}
}

func TestOfferThatTakesLinesAwayIsRefused(t *testing.T) {
	a, _ := phones(t, Audio, Video)
	for name, spoil := range map[string]func(){
		"a line less":      func() { a.lines = a.lines[:1] },
		"another mid":      func() { a.lines[1].mid = "x" },
		"kinds exchanged":  func() { a.lines[0], a.lines[1] = a.lines[1], a.lines[0] },
		"no lines at all":  func() { a.lines = nil },
		"another kind now": func() { a.lines[1].kind, a.lines[1].formats = Audio, a.can(Audio) },
	} {
		keep := slices.Clone(a.lines)
		spoil()
		if err := offered(t, a.offer()).Align(a.session); !errors.Is(err, ErrMismatch) {
			t.Errorf("%s: %v", name, err)
		}
		a.lines = keep
	}
}

func TestNewClientsAreTold(t *testing.T) {
	a, _ := phones(t, Audio)
	text := a.offer()
	for name, tt := range map[string]struct {
		text               string
		follows, continues bool
	}{
		"as it was":                    {text, true, true},
		"new ICE credentials":          {strings.ReplaceAll(text, "frag0", "frag1"), true, true},
		"another session id":           {strings.Replace(text, "o=- 96", "o=- 97", 1), true, true},
		"another certificate":          {strings.ReplaceAll(text, "CD:CD", "CE:CD"), false, false},
		"all anew, certificate shared": {strings.ReplaceAll(strings.Replace(text, "o=- 96", "o=- 97", 1), "frag0", "frag1"), false, false},
		"the role we have":             {strings.ReplaceAll(text, "setup:actpass", "setup:active"), true, false},
		"the role it has":              {strings.ReplaceAll(text, "setup:actpass", "setup:passive"), true, true},
	} {
		d := offered(t, tt.text)
		if d.Follows(a.session) != tt.follows || d.Continues(a.session) != tt.continues {
			t.Errorf("%s: follows %v, continues %v", name, d.Follows(a.session), d.Continues(a.session))
		}
	}
}

func TestAnswersToReoffersKeepTheTransport(t *testing.T) {
	a, b := phones(t, Audio)
	a.add(Video, SendRecv)
	a.reoffer(b)
	s := b.session.Reoffer(a.bounds(), true)
	text := b.answer(s.Write(local()))
	if _, err := s.Accept(answered(t, strings.ReplaceAll(text, "frag0", "frag1"))); !errors.Is(err, ErrMismatch) {
		t.Errorf("ICE restarted by an answer: %v", err)
	}
	n, err := s.Accept(answered(t, strings.ReplaceAll(text, "setup:actpass", "setup:passive")))
	if err != nil || n.Setup != s.Setup {
		t.Errorf("the DTLS role changed: %v", err)
	}
}

// A pull: a new leg within what the staying one has.
func TestNewLegInARunningCall(t *testing.T) {
	a, b := phones(t, Audio)
	c := newPhone(t, 100)
	c.add(Audio, SendRecv)
	c.add(Video, SendRecv)
	if !c.reoffer(b) {
		t.Fatal("no answer")
	}
	if c.session.Lines[0].Direction != SendRecv || c.session.Lines[1].Rejected || c.session.Lines[1].Direction != Inactive {
		t.Errorf("%+v", c.session.Lines)
	}
	d := newPhone(t, 100)
	d.add(Audio, SendRecv)
	d.lines[0].formats = []string{"PCMU/8000"}
	a.lines[0].formats = []string{"opus/48000/2"}
	a.reoffer(b)
	settle(t, a, b)
	if d.reoffer(b) {
		t.Error("a pull without a codec in common")
	}
	// On hold by b, whoever takes a's place is held too.
	b.lines[0].wants = SendOnly
	b.reoffer(a)
	settle(t, b, a)
	e := newPhone(t, 100)
	e.add(Audio, SendRecv)
	if !e.reoffer(b) || e.session.Lines[0].Direction != SendOnly {
		t.Errorf("%+v", e.session.Lines)
	}
	s, err := Offer(b.bounds(), true, nil, 3)
	if err != nil || s.Lines[0].Direction != SendOnly || names(s.Lines[0].Codecs) != "opus" {
		t.Errorf("a candidate is offered %+v, %v", s, err)
	}
}

func TestNumbersOfOneTerminalAreKept(t *testing.T) {
	// It has named 96 for what nobody knows, and 2 for an extension of its own.
	text := strings.Replace(describe("0", audio("0", "rtpmap:96 mystery/90000", "extmap:2 urn:nobody:knows")), "111 0 126", "111 0 126 96", 1)
	s, err := Answer(offered(t, text), offered(t, describe("0", audio("0"))).Bounds(), nil, 1)
	if err != nil {
		t.Fatal(err)
	}
	n := s.Reoffer(offered(t, describe("0 1", audio("0"), video("1"))).Bounds(), true)
	if n == nil {
		t.Fatal("nothing to offer")
	}
	v := n.Lines[1]
	if v.Codecs[0].PayloadType == 96 || v.ExtensionID(ExtensionAbsSendTime) == 2 || v.ExtensionID(ExtensionMID) != 4 {
		t.Errorf("formats %+v extensions %+v", v.Codecs, v.Extensions)
	}
}

// FuzzReoffers lets two terminals change their minds at random. Slots stay, mids
// and numbers keep their meaning, answers fit their offers, and re-offers end.
func FuzzReoffers(f *testing.F) {
	f.Add([]byte{0x00, 0x10, 0x21, 0x32, 0x43, 0x54, 0x65, 0x76, 0x87, 0x98})
	f.Add([]byte{0x03, 0x13, 0x03, 0x23, 0x04, 0x14, 0x05, 0x16, 0x27, 0x38, 0x49})
	f.Add([]byte("add, hold, resume, remove, and all over again"))
	f.Fuzz(dance)
}

func TestReoffersAtRandom(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // repeatable
	for range reofferRounds {
		moves := make([]byte, 1+r.IntN(40))
		for i := range moves {
			moves[i] = byte(r.Uint32())
		}
		dance(t, moves)
		if t.Failed() {
			t.Fatalf("moves %x", moves)
		}
	}
}

// wishes are the directions that both terminals want, of what both have and could
// exchange.
func wishes(a, b *phone) map[Slot]string {
	list := map[Slot]string{}
	for i, x := range a.session.Lines {
		for j, y := range b.session.Lines {
			if x.Rejected || y.Rejected || x.Slot != y.Slot || !hasPrimary(commonCodecs(x.Codecs, y.Codecs)) {
				continue
			}
			want := ""
			if a.lines[i].wants.Sends() && b.lines[j].wants.Receives() {
				want += "a"
			}
			if b.lines[j].wants.Sends() && a.lines[i].wants.Receives() {
				want += "b"
			}
			list[x.Slot] = want
		}
	}
	return list
}

const reofferRounds = 100

func dance(t *testing.T, moves []byte) {
	a, b := phones(t, Audio)
	for _, m := range moves[:min(len(moves), 40)] {
		p, q := a, b
		if m&1 != 0 {
			p, q = b, a
		}
		at := &p.lines[int(m>>4)%len(p.lines)]
		switch m >> 1 & 7 {
		case 0:
			at.wants = []Direction{SendRecv, SendOnly, RecvOnly, Inactive}[m>>5&3]
		case 1, 2:
			if len(p.lines) < 6 {
				p.add([]string{Video, Audio}[m>>4&1], SendRecv)
			}
		case 3:
			if at.kind != Audio {
				at.rejected = true
			}
		case 4:
			if len(at.formats) > 1 {
				at.formats = at.formats[:1]
			}
		case 5:
			at.formats = p.can(at.kind)
		case 6:
			p.refuses = !p.refuses
		case 7:
			p.ufrag++
		}
		if p.reoffer(q) && m>>6 != 3 { // else the exchange after crosses
			if m>>6 == 2 {
				q.offerTo(p, true)
			}
			settle(t, p, q)
		}
	}
	if !a.reoffer(b) || !b.reoffer(a) {
		return
	}
	settle(t, b, a)
	for slot, want := range wishes(a, b) {
		if got := flows(a, b, slot); got != want {
			t.Errorf("%v flows %q, not %q", slot, got, want)
		}
	}
	if len(a.session.Lines) > 8 || len(b.session.Lines) > 8 {
		t.Errorf("%d and %d lines", len(a.session.Lines), len(b.session.Lines))
	}
}
