package step_test

import (
	"fmt"
	"math/rand"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// model is a call with everything around it: the journal, an owner that may die,
// a media node, terminals that come and go.
type model struct {
	r     *rand.Rand // of the move being made
	now   time.Time
	epoch uint64
	n     int

	disk *callv1.CallRecord // committed
	mem  *callv1.CallRecord // the owner's

	settings  step.Settings
	media     *mediaModel
	after     [][]*callv1.MediaOp // left for the media node, by commits
	own       []*callv1.Command   // the owner's own commands that wait
	terminals []*callv1.Terminal  // that are attached
	sent      []sentCommand
	replies   map[string]*callv1.Reply // of committed commands
	acked     map[string]uint64
	events    map[string]string // what was sent, by leg and number

	died  bool // before a commit
	wrong string
	story []string
}

type sentCommand struct {
	who *callv1.Identity
	c   *callv1.Command
}

func newModel() *model {
	m := &model{
		now: start, epoch: 1, media: &mediaModel{legs: map[string]*mediaLeg{}},
		settings: newWorld(nil).settings,
		replies:  map[string]*callv1.Reply{}, acked: map[string]uint64{}, events: map[string]string{},
	}
	m.media.refuse = func() bool { return m.chance(12) }
	for _, s := range []string{"alice", "alice", "bob", "bob", "carol"} {
		m.r = rand.New(rand.NewSource(int64(len(m.terminals)))) //nolint:gosec // any will do
		m.attach(s)
	}
	m.run(from(m.terminals[0]), offerFrom(m.terminals[0]))
	return m
}

func (m *model) chance(oneIn int) bool { return m.r != nil && m.r.Intn(oneIn) == 0 }

func pick[T any](m *model, of ...T) T { return of[m.r.Intn(len(of))] }

func (m *model) fail(format string, args ...any) {
	if m.wrong == "" {
		m.wrong = fmt.Sprintf(format, args...)
	}
}

func (m *model) tell(format string, args ...any) {
	m.story = append(m.story, fmt.Sprintf("  %6.0fs ", m.now.Sub(start).Seconds())+fmt.Sprintf(format, args...))
}

func ordinalOf(legID string) string {
	call, n, _ := schema.SplitLegID(legID)
	if legID == "" || call == callID {
		return fmt.Sprint(n)
	}
	return fmt.Sprint("other/", n)
}

func outcome(out step.Output) string {
	s := step.StateName(out.Call)
	if e := out.Reply.GetError(); e != nil {
		s += " refused:" + schema.CodeName(e.GetCode())
	}
	if out.Commit {
		s += fmt.Sprint(" v", out.Call.GetVersion())
	}
	return s
}

// attach signs a terminal in, of a kind that differs from one to the next.
func (m *model) attach(subscriber string) *callv1.Terminal {
	m.n++
	t := terminal(fmt.Sprint("t", m.n), "", subscriber, false)
	t.AttachedAt = timestamppb.New(m.now)
	switch m.r.Intn(5) {
	case 0:
		t.Kind, t.Features = "old", &callv1.Features{}
	case 1:
		t.Kind, t.Features = "plain", &callv1.Features{Resumes: true, Renegotiates: true}
	case 2:
		t.Kind, t.Features = "shows", &callv1.Features{Resumes: true, Renegotiates: true, ShowsCalls: true}
	case 3:
		t.Kind, t.Features = "remembers", &callv1.Features{Resumes: true, Renegotiates: true, ShowsCalls: true, RemembersCalls: true}
	case 4:
		t.Kind, t.Features = "lives", &callv1.Features{Resumes: true, Renegotiates: true, RemembersCalls: true, Durable: true}
	}
	t.Node = pick(m, "n1", "n2")
	m.terminals = append(m.terminals, t)
	return t
}

func (m *model) present(subscriber string) []*callv1.Terminal {
	var out []*callv1.Terminal
	for _, t := range m.terminals {
		if t.GetSubscriber() == subscriber {
			out = append(out, t)
		}
	}
	return out
}

func (m *model) isPresent(id string) bool {
	for _, t := range m.terminals {
		if t.GetId() == id {
			return true
		}
	}
	return false
}

// targetsOf are the terminals that an owner would look up for a command.
func (m *model) targetsOf(c *callv1.Command) []*callv1.Terminal {
	switch {
	case c.GetOffer() != nil:
		return m.present("bob")
	case c.GetLegFailed() != nil:
		for _, l := range m.mem.GetLegs() {
			if l.GetId() == c.GetLegId() {
				return m.present(l.GetTerminal().GetSubscriber())
			}
		}
	}
	return nil
}

// takeUpFirst is the owner's: a terminal that is back speaks for its leg.
func (m *model) takeUpFirst(in *step.Input) {
	c := in.Command
	if c.GetHangUp() == nil && c.GetAnswer() == nil && c.GetRinging() == nil && c.GetReoffer() == nil &&
		c.GetPush() == nil && c.GetRefuseReoffer() == nil {
		return
	}
	for _, l := range in.Call.GetLegs() {
		t := l.GetTerminal()
		if l.GetId() != c.GetLegId() || t.GetKind() != in.From.GetKind() || t.GetSubscriber() != c.GetPrincipal() ||
			!t.GetFeatures().GetResumes() || m.isPresent(t.GetId()) && t.GetNode() == in.From.GetNode() {
			continue
		}
		for _, back := range m.present(t.GetSubscriber()) {
			if back.GetKind() != in.From.GetKind() || back.GetNode() != in.From.GetNode() {
				continue
			}
			if on, ok := step.TakeUp(*in, back); ok {
				*in = on
				return
			}
		}
	}
}

// settle does what an owner does with a transition, unless it dies first.
func (m *model) settle(in step.Input, out step.Output) {
	before := m.mem
	switch {
	case !out.Commit:
		m.mem = out.Call
		if len(out.After) > 0 {
			m.after = append(m.after, out.After)
		}
		return
	case m.chance(15):
		m.tell("the owner dies before the commit")
		m.send(out.Call, in.Call, out.Provisional)
		m.died = true
		m.restart()
		return
	}
	step.DropDelivered(out.Call, func(legID string) uint64 { return m.acked[legID] })
	m.disk, m.mem = out.Call, out.Call
	if in.From.GetKind() != "" {
		m.replies[in.Command.GetId()] = out.Reply
	}
	if m.chance(15) {
		m.tell("the owner dies after the commit")
		m.restart()
		return
	}
	if len(out.After) > 0 {
		m.after = append(m.after, out.After)
	}
	m.send(out.Call, nil, true)
	for _, l := range step.Lost(before, out.Call) {
		for _, t := range m.present(l.GetTerminal().GetSubscriber()) {
			m.own = append(m.own, attachedTerminal(t))
		}
	}
}

// send is an owner sending what is pending; what was pending before was sent.
func (m *model) send(c, before *callv1.CallRecord, may bool) {
	for _, e := range c.GetPendingEvents() {
		if may && (before == nil || !isPending(before, e)) {
			m.events[e.GetLegId()+fmt.Sprint("/", e.GetNumber())] = eventName(e)
		}
	}
}

func isPending(c *callv1.CallRecord, e *callv1.Event) bool {
	for _, p := range c.GetPendingEvents() {
		if p == e {
			return true
		}
	}
	return false
}

// restart is another owner: it finds what was committed, says again what that
// makes of the legs, and compares the call with what is there.
func (m *model) restart() {
	m.epoch++
	m.now = m.now.Add(100 * time.Millisecond) // it takes a moment
	m.own, m.after = nil, nil
	m.mem = nil
	if m.disk == nil {
		return
	}
	m.mem = step.Recover(m.disk, m.now)
	m.after = append(m.after, step.MediaOf(m.mem))
	m.send(m.mem, nil, true)
	if !step.Live(m.mem) {
		return
	}
	for _, l := range m.mem.GetLegs() {
		if l.GetState() == callv1.LegState_LEG_STATE_ENDED {
			continue
		}
		if !l.GetLost() && !m.isPresent(l.GetTerminal().GetId()) {
			m.own = append(m.own, ownLoss(l))
		}
		if media := m.media.legs[l.GetId()]; media == nil {
			m.own = append(m.own, &callv1.Command{LegId: l.GetId(), Body: &callv1.Command_MediaFailed{MediaFailed: &callv1.MediaFailed{Revision: l.GetMediaRevision()}}})
		} else if media.connected && !l.GetMediaConnected() {
			m.own = append(m.own, &callv1.Command{LegId: l.GetId(), Body: &callv1.Command_MediaConnected{MediaConnected: &callv1.MediaConnected{Revision: l.GetMediaRevision()}}})
		}
	}
	for _, s := range step.Audience(m.mem) {
		for _, t := range m.present(s) {
			m.own = append(m.own, attachedTerminal(t))
		}
	}
}

func ownLoss(l *callv1.Leg) *callv1.Command {
	return &callv1.Command{LegId: l.GetId(), Body: &callv1.Command_LegFailed{LegFailed: &callv1.LegFailed{
		Reason: lost, TerminalId: l.GetTerminal().GetId(),
	}}}
}
