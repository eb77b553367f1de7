package step_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// world drives one call through Step the way an owner does.
type world struct {
	t        *testing.T
	now      time.Time
	settings step.Settings
	call     *callv1.CallRecord
	last     step.Output
	targets  []*callv1.Terminal
	fail     map[string]callv1.Code // media failures by leg
	says     map[string]*callv1.MediaResult
	phone    *callv1.Party
	wakes    bool
	ops      []*callv1.MediaOp // of the last plan
	n        int
}

var key = schema.NewIDKey([]byte("test"))

func newWorld(t *testing.T) *world {
	return &world{
		t: t, now: start,
		settings: step.Settings{
			Ring: time.Minute, MediaSetup: 30 * time.Second, Grace: 20 * time.Second,
			Reoffer: 15 * time.Second, Wake: 30 * time.Second, Duration: time.Hour, Forks: 4, Ladder: 64,
		},
		fail: map[string]callv1.Code{}, says: map[string]*callv1.MediaResult{}, phone: party("bob"),
	}
}

func terminal(id, kind, subscriber string, resumes bool) *callv1.Terminal {
	return &callv1.Terminal{
		Id: id, Kind: kind, Node: kind + "1", Instance: "i1", Subscriber: subscriber, Rings: true,
		Features: &callv1.Features{Resumes: resumes, RemembersCalls: resumes}, AttachedAt: timestamppb.New(start),
	}
}

func party(s string) *callv1.Party {
	return &callv1.Party{Subscriber: s, Addresses: []string{"sip:" + s + "@demo.test"}}
}

// start is when every test begins and every terminal was attached.
var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

var callID = key.CallID("alice", "test", "1")

func legID(ordinal uint32) string { return schema.LegID(callID, ordinal) }

func from(t *callv1.Terminal) *callv1.Identity {
	return &callv1.Identity{Kind: t.GetKind(), Node: t.GetNode()}
}

// media does what the media node would.
func (w *world) media(ops []*callv1.MediaOp) []*callv1.MediaResult {
	var out []*callv1.MediaResult
	for _, op := range ops {
		r := &callv1.MediaResult{LegId: op.GetLegId(), Skeleton: &callv1.Skeleton{}}
		if op.GetMakeOffer() != nil || op.GetMakeAnswer() != nil {
			r.Sdp = "sdp for " + op.GetLegId()
		}
		if s := w.says[op.GetLegId()]; s != nil {
			r.Unchanged = s.GetUnchanged() && op.GetMakeOffer() != nil
			r.NewTransport = s.GetNewTransport() && (op.GetMakeAnswer() != nil || op.GetTakeAnswer() != nil)
		}
		if code, bad := w.fail[op.GetLegId()]; bad {
			r = &callv1.MediaResult{LegId: op.GetLegId(), Error: &callv1.Error{Code: code, Message: "failed"}}
		}
		out = append(out, r)
		if r.GetError() != nil && op.GetMakeOffer() == nil {
			break
		}
	}
	return out
}

// send runs one command; a commit is adopted as an owner would.
func (w *world) send(who *callv1.Identity, c *callv1.Command) step.Output {
	w.n++
	if c.GetId() == "" {
		c.Id = fmt.Sprint("c", w.n)
	}
	if c.GetCallId() == "" {
		c.CallId = callID
	}
	in := step.Input{
		Call: w.call, Command: c, From: who, Now: w.now, Epoch: 1, Settings: w.settings,
		Callee: party("bob"), Targets: w.targets, MediaNode: "m1", Wakes: w.wakes,
	}
	if c.GetPush() != nil {
		in.Callee, in.Phone = w.phone, "sip:phone@demo.test"
	}
	return w.run(in)
}

func (w *world) run(in step.Input) step.Output {
	w.ops = step.Plan(in)
	if len(w.ops) > 0 {
		in.Media = w.media(w.ops)
	}
	w.last = step.Step(in)
	w.call = w.last.Call
	return w.last
}

func (w *world) own(c *callv1.Command) step.Output { return w.send(&callv1.Identity{}, c) }

// plan names the operations that the media node did for the last command:
// "TakeOffer 1, MakeAnswer 1".
func (w *world) plan() string { return opNames(w.ops) }

// after names what the last commit left for the media node.
func (w *world) after() string { return opNames(w.last.After) }

func opNames(ops []*callv1.MediaOp) string {
	var names []string
	for _, op := range ops {
		name := fmt.Sprintf("%T", op.GetOp())[len("*callv1.MediaOp_"):]
		_, n, _ := schema.SplitLegID(op.GetLegId())
		name += fmt.Sprint(" ", n)
		if op.GetBridge() != nil {
			_, n, _ := schema.SplitLegID(op.GetBridge().GetPeerLegId())
			name += fmt.Sprint("-", n)
		} else if op.GetRevision() > 1 {
			name += fmt.Sprint("/", op.GetRevision())
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}

// Commands, short.
func offerFrom(t *callv1.Terminal) *callv1.Command {
	return &callv1.Command{LegId: legID(1), Principal: t.GetSubscriber(), Body: &callv1.Command_Offer{Offer: &callv1.Offer{
		To: "sip:bob@demo.test", Sdp: "sdp", Terminal: t, Ref: "ref-1", Caller: party(t.GetSubscriber()),
	}}}
}

func ringingOn(leg uint32, who string) *callv1.Command {
	return &callv1.Command{LegId: legID(leg), Principal: who, Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}}
}

func answerOn(leg uint32, who string) *callv1.Command {
	return &callv1.Command{LegId: legID(leg), Principal: who, Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: "sdp"}}}
}

func hangUpOn(leg uint32, who string, r callv1.Reason) *callv1.Command {
	return &callv1.Command{LegId: legID(leg), Principal: who, Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{Reason: r}}}
}

func failedOn(leg uint32, who string, r callv1.Reason) *callv1.Command {
	return &callv1.Command{LegId: legID(leg), Principal: who, Body: &callv1.Command_LegFailed{LegFailed: &callv1.LegFailed{Reason: r}}}
}

func connectedOn(leg uint32) *callv1.Command {
	return &callv1.Command{LegId: legID(leg), Body: &callv1.Command_MediaConnected{MediaConnected: &callv1.MediaConnected{Revision: 1}}}
}

func mediaFailedOn(leg uint32) *callv1.Command {
	return &callv1.Command{LegId: legID(leg), Body: &callv1.Command_MediaFailed{MediaFailed: &callv1.MediaFailed{Revision: 1}}}
}

func attachedTerminal(t *callv1.Terminal) *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_TerminalAttached{TerminalAttached: &callv1.TerminalAttached{Terminal: t}}}
}

func passed(k callv1.DeadlineKind, leg string) *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_DeadlinePassed{DeadlinePassed: &callv1.DeadlinePassed{Kind: k, LegId: leg}}}
}

// pulled is the ordinal of a leg that a terminal starts.
func pulled(n uint32) uint32 { return schema.FirstPulled + n }

func pullBy(t *callv1.Terminal, n uint32) *callv1.Command {
	return &callv1.Command{LegId: legID(pulled(n)), Principal: t.GetSubscriber(), Body: &callv1.Command_Pull{
		Pull: &callv1.Pull{Sdp: "sdp", Terminal: t, Ref: "ref-p"},
	}}
}

func pushOn(leg uint32, who string) *callv1.Command {
	return &callv1.Command{LegId: legID(leg), Principal: who, Body: &callv1.Command_Push{Push: &callv1.Push{}}}
}

func reofferOn(leg uint32, who string) *callv1.Command {
	return &callv1.Command{LegId: legID(leg), Principal: who, Body: &callv1.Command_Reoffer{Reoffer: &callv1.Reoffer{Sdp: "sdp 2"}}}
}

func refuseOn(leg uint32, who string) *callv1.Command {
	return &callv1.Command{LegId: legID(leg), Principal: who, Body: &callv1.Command_RefuseReoffer{RefuseReoffer: &callv1.RefuseReoffer{}}}
}

func earlyOn(leg uint32, who string) *callv1.Command {
	return &callv1.Command{LegId: legID(leg), Principal: who, Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{Sdp: "early"}}}
}

func emptyAnswerOn(leg uint32, who string) *callv1.Command {
	return &callv1.Command{LegId: legID(leg), Principal: who, Body: &callv1.Command_Answer{Answer: &callv1.Answer{}}}
}

var (
	alice = terminal("a1", "sylkrtc", "alice", false)
	bob1  = terminal("b1", "sylkrtc", "bob", false)
	bob2  = terminal("b2", "grpcpipe", "bob", true)
	media = &callv1.Identity{Kind: "media", Node: "m1"}
)

// ringing is a call that bob's two terminals have been offered.
func ringing(t *testing.T) *world {
	w := newWorld(t)
	w.targets = []*callv1.Terminal{bob1, bob2}
	w.mustOK(w.send(from(alice), offerFrom(alice)))
	return w
}

// answered is a call that bob's first terminal has answered.
func answered(t *testing.T) *world {
	w := ringing(t)
	w.mustOK(w.send(from(bob1), answerOn(2, "bob")))
	return w
}

// established is a call whose media is up.
func established(t *testing.T) *world {
	w := answered(t)
	w.mustOK(w.send(media, connectedOn(1)))
	w.mustOK(w.send(media, connectedOn(2)))
	return w
}

func (w *world) mustOK(out step.Output) {
	w.t.Helper()
	if e := out.Reply.GetError(); e != nil {
		w.t.Fatalf("refused: %v %s", e.GetCode(), e.GetMessage())
	}
}

// story gives the events that wait for a leg: "incoming ended:declined".
func (w *world) story(leg uint32) string {
	s := ""
	for _, e := range w.call.GetPendingEvents() {
		if e.GetLegId() == legID(leg) {
			if s != "" {
				s += " "
			}
			s += eventName(e)
		}
	}
	return s
}

func eventName(e *callv1.Event) string {
	switch b := e.GetBody().(type) {
	case *callv1.Event_Incoming:
		return "incoming"
	case *callv1.Event_Alerting:
		if b.Alerting.GetSdp() != "" {
			return "alerting(early)"
		}
		return "alerting"
	case *callv1.Event_Reoffer:
		return "re-offer"
	case *callv1.Event_PushFailed:
		return "push failed:" + step.ReasonName(b.PushFailed.GetReason())
	case *callv1.Event_Answered:
		return "answered"
	case *callv1.Event_Established:
		return "established"
	case *callv1.Event_Ended:
		s := "ended:" + step.ReasonName(b.Ended.GetReason())
		if b.Ended.GetMissed() {
			s += "(missed)"
		}
		if b.Ended.GetRequested() {
			s += "(requested)"
		}
		return s
	}
	return "?"
}
