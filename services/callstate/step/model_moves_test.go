package step_test

import (
	"fmt"
	"time"

	"google.golang.org/protobuf/proto"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// move is one thing that happens.
func (m *model) move() {
	switch m.r.Intn(10) {
	case 0, 1, 2, 3:
		m.speak()
	case 4:
		m.speakAnything()
	case 5:
		m.mediaSpeaks()
	case 6:
		m.repeat()
	case 7:
		m.comeAndGo()
	case 8:
		m.deliver()
	case 9:
		m.pass()
	}
	for range m.r.Intn(4) { // what waits, and time passing, is somebody else's turn
		m.background()
	}
}

// say sends a command from a terminal, and remembers it.
func (m *model) say(who *callv1.Identity, c *callv1.Command) {
	m.run(who, c)
	m.sent = append(m.sent, sentCommand{who, proto.CloneOf(c)})
}

// repeat sends a command once more, with its id or as a new one.
func (m *model) repeat() {
	if len(m.sent) == 0 {
		return
	}
	again := m.sent[max(0, len(m.sent)-1-m.r.Intn(6))]
	c := proto.CloneOf(again.c)
	if m.chance(3) {
		c.Id = ""
	}
	m.run(again.who, c)
}

func (m *model) leg() *callv1.Leg {
	if legs := m.mem.GetLegs(); len(legs) > 0 {
		for range 4 {
			if l := pick(m, legs...); l.GetState() != callv1.LegState_LEG_STATE_ENDED {
				return l
			}
		}
		return pick(m, legs...)
	}
	return nil
}

// speak has the terminal of some leg say something that fits.
func (m *model) speak() {
	if m.chance(6) {
		m.pull()
		return
	}
	l := m.leg()
	if l == nil {
		m.say(from(m.terminals[0]), offerFrom(m.terminals[0]))
		return
	}
	t := l.GetTerminal()
	if !m.isPresent(t.GetId()) { // perhaps it has come back, and knows the leg
		others := m.present(t.GetSubscriber())
		if len(others) == 0 {
			return
		}
		t = pick(m, others...)
	}
	c := m.fitting(l)
	c.LegId, c.Principal = l.GetId(), t.GetSubscriber()
	m.say(from(t), c)
}

func (m *model) fitting(l *callv1.Leg) *callv1.Command {
	sdp := pick(m, "a1", "a2", "b1")
	switch {
	case l.GetOfferOut() != 0 && m.chance(2):
		return pick(m,
			&callv1.Command{Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: sdp}}},
			&callv1.Command{Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: sdp}}},
			refuseOn(1, ""))
	case isIn(l):
		return pick(m, reofferSDP(sdp), reofferSDP(sdp), pushOn(1, ""), pushOn(1, ""), refuseOn(1, ""), hangUpMaybe(m))
	case l.GetSide() == callv1.Side_SIDE_CALLEE || l.GetOrdinal() > 1:
		return pick(m, ringingOn(1, ""), earlyOn(1, ""), emptyAnswerOn(1, ""), hangUpOn(1, "", busy), failedOn(1, "", busy),
			&callv1.Command{Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: sdp, Features: &callv1.Features{Video: true}}}},
			&callv1.Command{Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: sdp}}})
	}
	return hangUpMaybe(m)
}

// hangUpMaybe: calls that are over are of little interest.
func hangUpMaybe(m *model) *callv1.Command {
	if m.chance(3) {
		return hangUpOn(1, "", unsaid)
	}
	return reofferSDP("a1")
}

func reofferSDP(sdp string) *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_Reoffer{Reoffer: &callv1.Reoffer{Sdp: sdp}}}
}

// pull has some terminal take the call, or try.
func (m *model) pull() {
	t := pick(m, m.terminals...)
	c := pullBy(t, uint32(m.r.Intn(200))) //nolint:gosec // not negative
	c.GetPull().Sdp = pick(m, "a1", "b1")
	m.say(from(t), c)
}

// speakAnything has somebody say something about some leg.
func (m *model) speakAnything() {
	t, l := pick(m, m.terminals...), m.leg()
	if m.chance(6) {
		m.handOver()
		return
	}
	c := pick(m, ringingOn(1, ""), answerOn(1, ""), hangUpOn(1, "", declined), reofferOn(1, ""), pushOn(1, ""), refuseOn(1, ""), earlyOn(1, ""),
		failedOn(1, "", pick(m, lost, busy)), offerFrom(t))
	if c.GetOffer() == nil {
		c.LegId, c.Principal = l.GetId(), t.GetSubscriber()
	}
	m.say(from(t), c)
}

func (m *model) handOver() {
	t := m.present("bob")
	if len(t) == 0 || m.mem == nil {
		return
	}
	loser := key.CallID("bob", "t", pick(m, "1", "2"))
	m.run(&callv1.Identity{Kind: "callstate", Node: "c"}, &callv1.Command{
		LegId: loserLeg(loser), Principal: "bob", Body: &callv1.Command_HandOver{HandOver: &callv1.HandOver{
			FromCallId: loser, NextEvent: 1, MediaRevision: 2,
			Offer: &callv1.Offer{To: "sip:alice@demo.test", Sdp: "h1", Terminal: t[0], Caller: party("bob")},
		}},
	})
}

// mediaSpeaks reports a leg that connected or failed, at the revision that made its
// transport or a later one.
func (m *model) mediaSpeaks() {
	l := m.leg()
	at := m.media.legs[l.GetId()]
	if at == nil || !at.negotiated {
		if at != nil && m.chance(4) {
			m.run(media, &callv1.Command{LegId: l.GetId(), Body: &callv1.Command_MediaFailed{MediaFailed: &callv1.MediaFailed{Revision: at.revision}}})
		}
		return
	}
	revision := at.transport + uint32(m.r.Intn(int(at.revision-at.transport)+1)) //nolint:gosec // small
	if m.chance(6) {
		at.connected = false
		m.run(media, &callv1.Command{LegId: l.GetId(), Body: &callv1.Command_MediaFailed{MediaFailed: &callv1.MediaFailed{Revision: revision}}})
		return
	}
	at.connected = true
	m.run(media, &callv1.Command{LegId: l.GetId(), Body: &callv1.Command_MediaConnected{MediaConnected: &callv1.MediaConnected{Revision: revision}}})
}

// comeAndGo attaches a terminal, or loses one with its node noticing.
func (m *model) comeAndGo() {
	if m.chance(2) || len(m.terminals) < 3 {
		t := m.attach(pick(m, "alice", "bob", "carol"))
		m.tell("terminal %s of %s (%s) signs in", t.GetId(), t.GetSubscriber(), t.GetKind())
		m.own = append(m.own, attachedTerminal(t))
		return
	}
	i := m.r.Intn(len(m.terminals))
	t := m.terminals[i]
	m.terminals = append(m.terminals[:i:i], m.terminals[i+1:]...)
	m.tell("terminal %s of %s is lost", t.GetId(), t.GetSubscriber())
	for _, l := range m.mem.GetLegs() {
		if l.GetTerminal().GetId() == t.GetId() {
			m.own = append(m.own, ownLoss(l))
		}
	}
	if m.chance(2) { // it comes back on a new connection
		back := m.attach(t.GetSubscriber())
		back.Kind, back.Features = t.GetKind(), t.GetFeatures()
		if m.chance(2) { // its adapter started again
			back.Node, back.Instance = t.GetNode(), fmt.Sprint("i", m.n)
		}
		m.tell("terminal %s of %s (%s) is back for it", back.GetId(), back.GetSubscriber(), back.GetKind())
		if m.chance(2) { // before the loss is noticed
			m.own = append([]*callv1.Command{attachedTerminal(back)}, m.own...)
			return
		}
		m.own = append(m.own, attachedTerminal(back))
	}
}

// deliver has terminals acknowledge what they were sent.
func (m *model) deliver() {
	for _, e := range m.mem.GetPendingEvents() {
		if m.chance(2) {
			m.acked[e.GetLegId()] = max(m.acked[e.GetLegId()], e.GetNumber())
		}
	}
}

// pass lets time pass, up to a deadline or not as far.
func (m *model) pass() {
	if ds := m.mem.GetDeadlines(); len(ds) > 0 && m.chance(2) {
		if at := pick(m, ds...).GetAt().AsTime(); at.Sub(m.now) < time.Hour/2 {
			m.now = later(m.now, at)
		}
		return
	}
	m.now = m.now.Add(time.Duration(m.r.Intn(12)) * time.Second)
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// background does one of the things that wait: an own command, a deadline that is
// due, what commits left for the media node.
func (m *model) background() {
	switch {
	case len(m.own) > 0 && m.chance(2):
		c := m.own[0]
		m.own = m.own[1:]
		m.run(&callv1.Identity{}, c)
	case len(m.after) > 0 && m.chance(2):
		m.media.serve("after", m.epoch, m.after[0])
		m.after = m.after[1:]
	default:
		m.fire()
	}
}

// fire passes every deadline that is due; each is gone then, or has moved.
func (m *model) fire() {
	for _, d := range m.mem.GetDeadlines() {
		if d.GetAt().AsTime().After(m.now) || m.wrong != "" {
			continue
		}
		epoch := m.epoch
		m.run(&callv1.Identity{}, passed(d.GetKind(), d.GetLegId()))
		for _, left := range m.mem.GetDeadlines() {
			if left == d && m.epoch == epoch {
				m.fail("deadline %v fired and is still there", d)
			}
		}
	}
}

// finish lets everything that waits happen, and time pass until the call is over;
// then nothing is left.
func (m *model) finish() {
	m.r = nil // nobody dies or refuses any more
	for i := 0; m.wrong == ""; i++ {
		for len(m.own) > 0 && m.wrong == "" {
			c := m.own[0]
			m.own = m.own[1:]
			m.run(&callv1.Identity{}, c)
		}
		m.tellMedia()
		m.checkMedia()
		if !step.Live(m.mem) {
			break
		}
		next := time.Time{}
		for _, d := range m.mem.GetDeadlines() {
			if at := d.GetAt().AsTime(); next.IsZero() || at.Before(next) {
				next = at
			}
		}
		if next.IsZero() || i > 50 {
			m.fail("the call never ends: deadlines %v", m.mem.GetDeadlines())
			return
		}
		m.now = later(m.now, next)
		m.fire()
	}
}

// tellMedia has the media node hear what commits left for it.
func (m *model) tellMedia() {
	for _, ops := range m.after {
		m.media.serve("after", m.epoch, ops)
	}
	m.after = nil
}

// checkMedia: once the media node has heard all, it has the call's legs and no
// other that was ever kept, and the two that are in the call are bridged.
func (m *model) checkMedia() {
	live := map[string]bool{}
	var in []string
	for _, l := range m.mem.GetLegs() {
		if l.GetState() != callv1.LegState_LEG_STATE_ENDED {
			live[l.GetId()] = true
		}
		if isIn(l) {
			in = append(in, l.GetId())
		}
	}
	for id, l := range m.media.legs {
		if l.kept && !live[id] && step.MediaOf(m.mem) != nil {
			m.fail("media leg %s is left over", ordinalOf(id))
		}
	}
	if len(in) == 2 && m.media.legs[in[0]] != nil && m.media.legs[in[1]] != nil && m.media.legs[in[0]].peer != in[1] {
		m.fail("legs %s and %s are not bridged", ordinalOf(in[0]), ordinalOf(in[1]))
	}
}
