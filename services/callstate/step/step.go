package step

import (
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Settings bound a call.
type Settings struct {
	// Ring is how long a call may go unanswered.
	Ring time.Duration
	// MediaSetup is how long media may take to connect after the answer.
	MediaSetup time.Duration
	// Grace is how long a lost terminal may take to come back.
	Grace time.Duration
	// Duration is the longest answered call; 0 for no limit.
	Duration time.Duration
	// Forks is the largest number of terminals that one call rings.
	Forks int
	// Reoffer is how long a terminal may take to answer an offer inside a call.
	Reoffer time.Duration
	// Wake is how long a call may wait for a terminal that is being woken.
	Wake time.Duration
	// Ladder is the largest number of ladder entries kept.
	Ladder int
}

// Input is all that a transition depends on.
type Input struct {
	// Call is the last committed record; nil if there is none. It is not changed.
	Call *callv1.CallRecord
	// Command is what is asked.
	Command *callv1.Command
	// From is who asks, as the bus says; a kind of "" is the owner itself.
	From *callv1.Identity
	// Now is the owner's clock.
	Now time.Time
	// Epoch is the owner's lease epoch.
	Epoch uint64
	// Settings bound the call.
	Settings Settings

	// Callee is the party that an Offer's address, or a Push's phone, resolved to;
	// nil if nobody.
	Callee *callv1.Party
	// Phone is the address of a Push's phone.
	Phone string
	// Wakes: that party's devices are being woken; their terminals may appear.
	Wakes bool
	// Targets are the terminals that an Offer or Push may ring, or, for a
	// LegFailed, those that could take the leg up.
	Targets []*callv1.Terminal
	// MediaNode is the node chosen for an Offer.
	MediaNode string
	// RedirectTo is the call that won the pair claim against this Offer and has
	// taken the leg; with the winner's reply.
	RedirectTo *callv1.Reply
	// Media holds the results of Plan's operations, in order. Shorter than the
	// plan when one failed.
	Media []*callv1.MediaResult
	// Skip says, by leg, how many media revisions are used up that Call does not
	// know of; see Crossed.
	Skip map[string]uint32
	// TakenUp: Call is the committed record after TakeUp, and is to be committed
	// whatever becomes of the command.
	TakenUp bool
	// left is what TakeUp leaves for the media node.
	left []*callv1.MediaOp
}

// Output is what a transition says.
type Output struct {
	// Call is the next record; the input's own when nothing changed.
	Call *callv1.CallRecord
	// Reply answers the command.
	Reply *callv1.Reply
	// Commit is set when Call must be committed before the reply or an event
	// gets out. A changed Call without Commit holds only facts that decide
	// nothing and are reported again after a crash.
	Commit bool
	// Provisional, with Commit, is a transition that decides nothing. Its events
	// may get out first; once they have been acknowledged nothing is lost with the
	// owner but what its sender says again, and the record can wait for the next
	// commit.
	Provisional bool
	// After is for the media node, once committed. Its results decide nothing.
	// Without Commit it releases what was made for a leg that there will not be.
	After []*callv1.MediaOp
}

// Step makes the transition. It never fails: a refusal is a Reply with an
// error, and then Call is the input's unless Commit says otherwise.
func Step(in Input) Output {
	out := transit(in)
	if !in.TakenUp {
		return out
	}
	if !out.Commit {
		if out.Call == in.Call {
			out.Call = clone(out.Call)
		}
		out.Call.Version, out.Call.Epoch, out.Commit = out.Call.GetVersion()+1, in.Epoch, true
	}
	out.Provisional, out.After = false, append(in.left[:len(in.left):len(in.left)], out.After...)
	return out
}

func transit(in Input) Output {
	if in.Call != nil {
		if r := repeated(in.Call, in.Command.GetId()); r != nil {
			return Output{Call: in.Call, Reply: r}
		}
	}
	if err := authorise(in); err != nil {
		return refusal(in, err)
	}
	row := lookup(in)
	if row == nil {
		return refusal(in, wrongState(in))
	}
	t := begin(in)
	row.do(t)
	return t.finish()
}

// Plan lists what the media node must do before Step can make the transition;
// empty if nothing, or if Step will refuse anyway.
func Plan(in Input) []*callv1.MediaOp {
	if in.Call != nil && repeated(in.Call, in.Command.GetId()) != nil {
		return nil
	}
	if authorise(in) != nil {
		return nil
	}
	row := lookup(in)
	if row == nil || row.plan == nil {
		return nil
	}
	return row.plan(in)
}

// Recover prepares a record that an owner found: event numbers that a former owner
// may have used without committing are skipped. It may have been one of several
// that died so, one after the other; so numbers go on from the call's age.
func Recover(c *callv1.CallRecord, now time.Time) *callv1.CallRecord {
	const skip = 16 // more than the events between two commits of one leg
	next := clone(c)
	age := max(0, now.Sub(c.GetCreatedAt().AsTime()).Milliseconds())
	for _, l := range next.GetLegs() {
		l.NextEvent = max(l.GetNextEvent()+skip, uint64(age)) //nolint:gosec // not negative
	}
	return next
}

// repeated gives the reply that a command got before.
func repeated(c *callv1.CallRecord, commandID string) *callv1.Reply {
	for _, d := range c.GetDone() {
		if d.GetCommandId() == commandID && commandID != "" {
			return d.GetReply()
		}
	}
	return nil
}

func refusal(in Input, err *schema.Error) Output {
	r := &callv1.Reply{
		CommandId: in.Command.GetId(), CallId: in.Command.GetCallId(),
		LegId: in.Command.GetLegId(), Error: err.Proto(),
	}
	if err.Code == callv1.Code_CODE_REDIRECTED {
		r.CallId = in.Call.GetRedirectCallId()
	}
	if l := leg(in.Call, in.Command.GetLegId()); l != nil && err.Code == callv1.Code_CODE_ENDED {
		r.LegState, r.Reason = l.GetState(), l.GetReason()
	}
	return Output{Call: in.Call, Reply: r}
}

// txn is one transition in the making.
type txn struct {
	in    Input
	call  *callv1.CallRecord
	leg   *callv1.Leg // the leg that speaks, if any
	reply *callv1.Reply
	at    *timestamppb.Timestamp
	// changed and decided: see Output.Commit.
	changed, decided bool
	provisional      bool
	after            []*callv1.MediaOp
}

func begin(in Input) *txn {
	t := &txn{in: in, at: timestamp(in.Now)}
	if in.Call != nil {
		t.call = clone(in.Call)
		t.leg = leg(t.call, in.Command.GetLegId())
	}
	t.reply = &callv1.Reply{CommandId: in.Command.GetId()}
	return t
}

func timestamp(at time.Time) *timestamppb.Timestamp { return timestamppb.New(at) }

// finish fills the reply from the leg that spoke and remembers the command.
func (t *txn) finish() Output {
	if !t.changed {
		t.fillReply(t.in.Call)
		return Output{Call: t.in.Call, Reply: t.reply, After: t.after}
	}
	t.fillReply(t.call)
	if t.decided {
		t.call.Version++
		t.call.Epoch = t.in.Epoch
		t.remember()
	}
	return Output{Call: t.call, Reply: t.reply, Commit: t.decided, Provisional: t.provisional, After: t.after}
}

func (t *txn) fillReply(c *callv1.CallRecord) {
	r := t.reply
	if c.GetState() == callv1.CallState_CALL_STATE_REDIRECTED {
		return // the winner's reply was copied
	}
	r.CallId = t.in.Command.GetCallId()
	r.LegId = t.in.Command.GetLegId()
	if t.leg != nil {
		r.LegState, r.Reason = t.leg.GetState(), t.leg.GetReason()
		r.MediaNode, r.NextEvent = c.GetMediaNode(), t.leg.GetNextEvent()
	}
}

// keepDone is how many commands a record remembers.
const keepDone = 8

func (t *txn) remember() {
	if t.in.From.GetKind() == "" {
		return // the owner's own commands are not repeated by anybody
	}
	done := t.call.GetDone()
	if len(done) >= keepDone {
		done = done[len(done)-keepDone+1:]
	}
	t.call.Done = append(done[:len(done):len(done)], &callv1.Done{CommandId: t.in.Command.GetId(), Reply: t.reply})
}

// refuse turns the reply into a refusal; what the transition changed stands.
func (t *txn) refuse(code callv1.Code, format string, args ...any) {
	t.reply.Error = schema.Errorf(code, format, args...).Proto()
}
