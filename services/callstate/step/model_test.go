package step_test

import (
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// TestModel: whatever anybody sends in whatever order, with commands repeated,
// media that refuses and fails, terminals that come and go, owners that die before
// or after a commit, and time passing, every record is sound, nothing is said or
// done without a commit, nothing is asked of the media node that it must refuse,
// and every call ends with nothing left over. TANDEM_MODEL_RUNS says how many
// sequences are tried, TANDEM_MODEL_SEED where to begin.
func TestModel(t *testing.T) {
	runs, first := number("TANDEM_MODEL_RUNS", 600), int64(number("TANDEM_MODEL_SEED", 1))
	for seed := first; seed < first+int64(runs); seed++ {
		r := rand.New(rand.NewSource(seed)) //nolint:gosec // reproducible on purpose
		moves := make([]int64, 20+r.Intn(60))
		for i := range moves {
			moves[i] = r.Int63()
		}
		if wrong, _ := play(moves); wrong != "" {
			moves = shrink(moves)
			wrong, story := play(moves)
			t.Fatalf("seed %d: %s\nafter %d moves:\n%s", seed, wrong, len(moves), story)
		}
	}
}

func number(name string, otherwise int) int {
	if n, err := strconv.Atoi(os.Getenv(name)); err == nil {
		return n
	}
	return otherwise
}

// FuzzModel has the fuzzer choose the moves.
func FuzzModel(f *testing.F) {
	f.Add([]byte("offer, ringing, answer, bye"))
	f.Fuzz(func(t *testing.T, choices []byte) {
		var moves []int64
		for _, b := range choices[:min(len(choices), 200)] {
			moves = append(moves, int64(b)*0x9e3779b97f4a7c1+int64(len(moves)))
		}
		if wrong, story := play(moves); wrong != "" {
			t.Fatalf("%s\n%s", wrong, story)
		}
	})
}

// shrink takes moves out of a sequence that fails as long as it fails without.
func shrink(moves []int64) []int64 {
	for size := len(moves) / 2; size > 0; size /= 2 {
		for at := 0; at+size <= len(moves); {
			fewer := append(append([]int64{}, moves[:at]...), moves[at+size:]...)
			if wrong, _ := play(fewer); wrong != "" {
				moves = fewer
			} else {
				at += size
			}
		}
	}
	return moves
}

// play makes the moves, brings the call to its end, and says what went wrong.
func play(moves []int64) (wrong, story string) {
	m := newModel()
	for _, move := range moves {
		if m.wrong == "" {
			m.r = rand.New(rand.NewSource(move)) //nolint:gosec // reproducible on purpose
			m.move()
		}
	}
	if m.wrong == "" {
		m.finish()
	}
	return m.wrong, strings.Join(m.story, "\n")
}

// run has the owner carry a command out, as package callstate does, and perhaps
// die at it.
func (m *model) run(who *callv1.Identity, c *callv1.Command) {
	if m.wrong != "" {
		return
	}
	c.CallId = callID
	if c.GetId() == "" {
		m.n++
		c.Id = fmt.Sprint("c", m.n)
	}
	in := step.Input{
		Call: m.mem, Command: c, From: who, Now: m.now, Epoch: m.epoch, Settings: m.settings,
		Callee: party("bob"), Targets: m.targetsOf(c), MediaNode: "m1", Wakes: m.chance(4), Skip: map[string]uint32{},
	}
	if c.GetPush() != nil {
		in.Callee, in.Phone = party(pick(m, "alice", "bob", "carol")), "sip:phone@demo.test"
		in.Targets = m.present(in.Callee.GetSubscriber())
	}
	m.takeUpFirst(&in)
	before := proto.CloneOf(in.Call)
	m.ask(&in)
	out := step.Step(in)
	m.tell("%-18s %-14s leg %s → %s", step.CommandName(c), who.GetKind()+"/"+who.GetNode(), ordinalOf(c.GetLegId()), outcome(out))
	m.verify(in, before, out)
	if m.wrong == "" {
		m.settle(in, out)
	}
}

// ask has the media node do its part.
func (m *model) ask(in *step.Input) {
	var ops []*callv1.MediaOp
	for range 8 {
		ops = step.Plan(*in)
		if len(ops) == 0 {
			return
		}
		if step.Skips(*in) {
			m.tellMedia()
		}
		in.Media = m.media.serve(in.Command.GetId(), m.epoch, ops)
		m.tell("media: %s%s", opNames(ops), refusals(in.Media))
		crossed := step.Crossed(ops, in.Media)
		if len(crossed) == 0 || !step.Skips(*in) {
			break
		}
		for _, id := range crossed {
			in.Skip[id]++
		}
	}
	for i, r := range in.Media {
		op := ops[i]
		begins := op.GetTakeOffer() != nil || op.GetMakeOffer() != nil
		if r.GetError().GetCode() == callv1.Code_CODE_CONFLICT && in.Call != nil && (begins || !m.died) {
			// After an owner's death a terminal's other answer is one too many.
			m.fail("the media node finds %s out of order: %s", opNames([]*callv1.MediaOp{op}), r.GetError().GetMessage())
		}
	}
}

// verify checks what a transition says against what it was given.
func (m *model) verify(in step.Input, before *callv1.CallRecord, out step.Output) {
	switch id := in.Command.GetId(); {
	case out.Reply == nil || out.Reply.GetCommandId() != id:
		m.fail("reply %v", out.Reply)
	case in.Call != nil && !proto.Equal(before, in.Call):
		m.fail("a committed record was changed")
	case !out.Commit && (!onlyUnknown(in.Call, out.After) || !samePending(in.Call, out.Call)):
		m.fail("an effect without a commit")
	case out.Commit && out.Call.GetVersion() != in.Call.GetVersion()+1:
		m.fail("version %d after %d", out.Call.GetVersion(), in.Call.GetVersion())
	case m.replies[id] != nil && remembers(in.Call, id) && !proto.Equal(m.replies[id], out.Reply):
		m.fail("replies %v and %v to one command", m.replies[id], out.Reply)
	}
	if out.Call == nil {
		return
	}
	for _, v := range violations(out.Call) {
		m.fail("%s", v)
	}
	for _, e := range out.Call.GetPendingEvents() {
		name := e.GetLegId() + fmt.Sprint("/", e.GetNumber())
		if known := m.events[name]; known != "" && known != eventName(e) {
			m.fail("event %d of leg %s is %s, and was %s", e.GetNumber(), ordinalOf(e.GetLegId()), eventName(e), known)
		}
	}
}

func samePending(a, b *callv1.CallRecord) bool {
	if len(a.GetPendingEvents()) != len(b.GetPendingEvents()) {
		return false
	}
	for i, e := range a.GetPendingEvents() {
		if b.GetPendingEvents()[i] != e {
			return false
		}
	}
	return true
}

// onlyUnknown reports whether operations only release legs that are in no record.
func onlyUnknown(c *callv1.CallRecord, ops []*callv1.MediaOp) bool {
	for _, op := range ops {
		known := slices.ContainsFunc(c.GetLegs(), func(l *callv1.Leg) bool { return l.GetId() == op.GetLegId() })
		if op.GetRelease() == nil || known {
			return false
		}
	}
	return true
}

func remembers(c *callv1.CallRecord, id string) bool {
	for _, d := range c.GetDone() {
		if d.GetCommandId() == id {
			return true
		}
	}
	return false
}

func refusals(results []*callv1.MediaResult) string {
	s := ""
	for _, r := range results {
		if e := r.GetError(); e != nil {
			s += " (" + ordinalOf(r.GetLegId()) + " refused: " + e.GetMessage() + ")"
		}
	}
	return s
}
