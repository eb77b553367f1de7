package step_test

import (
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// TestNobodyCallsUnderAnothersName: the caller that is shown is the one who was
// authenticated.
func TestNobodyCallsUnderAnothersName(t *testing.T) {
	w := newWorld(t)
	c := offerFrom(alice)
	c.GetOffer().Caller.Subscriber = "bob"
	out := w.send(from(alice), c)
	if out.Reply.GetError().GetCode() != callv1.Code_CODE_FORBIDDEN || out.Commit {
		t.Errorf("reply %v, commit %v", out.Reply, out.Commit)
	}
}

func loserLeg(callID string) string { return schema.LegID(callID, 1) }

// TestStrangersChangeNothing: a command under another adapter's name, for a leg
// that is not its own, or for another subscriber's call behaves as if the call
// did not exist.
func TestStrangersChangeNothing(t *testing.T) {
	tests := []struct {
		name string
		who  *callv1.Identity
		c    *callv1.Command
		want callv1.Code
	}{
		{"another adapter's name", &callv1.Identity{Kind: "grpcpipe", Node: "grpcpipe1"}, hangUpOn(1, "alice", unsaid), callv1.Code_CODE_NOT_FOUND},
		{"another node of the same adapter", &callv1.Identity{Kind: "sylkrtc", Node: "other"}, hangUpOn(1, "alice", unsaid), callv1.Code_CODE_NOT_FOUND},
		{"another subscriber's leg", from(alice), hangUpOn(2, "alice", unsaid), callv1.Code_CODE_NOT_FOUND},
		{"a subscriber that has no part", from(alice), hangUpOn(1, "mallory", unsaid), callv1.Code_CODE_NOT_FOUND},
		{"no subscriber", from(alice), hangUpOn(1, "", unsaid), callv1.Code_CODE_NOT_FOUND},
		{"a leg that does not exist", from(alice), hangUpOn(9, "alice", unsaid), callv1.Code_CODE_NOT_FOUND},
		{"an answer from the caller", from(alice), answerOn(1, "alice"), callv1.Code_CODE_REJECTED},
		{"an adapter that speaks for the media service", from(alice), connectedOn(1), callv1.Code_CODE_FORBIDDEN},
		{"a media node that does not hold the call", &callv1.Identity{Kind: "media", Node: "m9"}, connectedOn(1), callv1.Code_CODE_NOT_FOUND},
		{"the media service hanging up", media, hangUpOn(1, "alice", unsaid), callv1.Code_CODE_FORBIDDEN},
		{"an adapter handing a leg over", from(alice), &callv1.Command{LegId: legID(1), Principal: "alice", Body: &callv1.Command_HandOver{
			HandOver: &callv1.HandOver{Offer: &callv1.Offer{Terminal: alice}}}}, callv1.Code_CODE_FORBIDDEN},
		{"an adapter passing deadlines", from(alice), passed(callv1.DeadlineKind_DEADLINE_KIND_ANSWER, ""), callv1.Code_CODE_FORBIDDEN},
		{"call state handing over a leg of somebody who is not called", &callv1.Identity{Kind: "callstate", Node: "c"}, &callv1.Command{
			LegId: legID(1), Principal: "mallory", Body: &callv1.Command_HandOver{
				HandOver: &callv1.HandOver{Offer: &callv1.Offer{Terminal: terminal("x", "sylkrtc", "mallory", false)}}}}, callv1.Code_CODE_NOT_FOUND},
		{"an offer on a call that exists", from(alice), offerFrom(alice), callv1.Code_CODE_CONFLICT},
		{"an empty command", from(alice), &callv1.Command{LegId: legID(1)}, callv1.Code_CODE_FORBIDDEN},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := ringing(t)
			before := proto.Clone(w.call)
			out := w.send(tt.who, tt.c)
			if out.Reply.GetError().GetCode() != tt.want {
				t.Errorf("reply %v, want %v", out.Reply, tt.want)
			}
			if out.Commit || !proto.Equal(before, w.call) {
				t.Error("the call changed")
			}
		})
	}
}

func TestAnOfferUnderAnothersNameIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		who  *callv1.Identity
		edit func(*callv1.Command)
	}{
		{"terminal of another node", &callv1.Identity{Kind: "sylkrtc", Node: "other"}, func(*callv1.Command) {}},
		{"terminal of another adapter", from(bob2), func(*callv1.Command) {}},
		{"terminal of another subscriber", from(alice), func(c *callv1.Command) { c.Principal = "bob" }},
		{"another ordinal", from(alice), func(c *callv1.Command) { c.LegId = legID(2) }},
		{"a leg of another call", from(alice), func(c *callv1.Command) { c.LegId = loserLeg(key.CallID("x", "y", "z")) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := newWorld(t)
			w.targets = []*callv1.Terminal{bob1}
			c := offerFrom(alice)
			tt.edit(c)
			if out := w.send(tt.who, c); out.Reply.GetError() == nil || out.Commit || w.call != nil {
				t.Errorf("reply %v", out.Reply)
			}
		})
	}
}

func TestARepeatedCommandGetsTheSameReply(t *testing.T) {
	w := ringing(t)
	c := answerOn(2, "bob")
	c.Id = "same"
	first := w.send(from(bob1), c)
	events := len(w.call.GetPendingEvents())
	second := w.send(from(bob1), c)
	if second.Commit || !proto.Equal(first.Reply, second.Reply) || len(w.call.GetPendingEvents()) != events {
		t.Errorf("first %v, second %v", first.Reply, second.Reply)
	}
}

func TestALateAnswerLearnsThatTheLegHasEnded(t *testing.T) {
	w := answered(t)
	out := w.send(from(bob2), answerOn(3, "bob"))
	if out.Reply.GetError().GetCode() != callv1.Code_CODE_ENDED || out.Reply.GetReason() != callv1.Reason_REASON_ANSWERED_ELSEWHERE {
		t.Errorf("reply %v", out.Reply)
	}
}

func TestStepDoesNotChangeItsInput(t *testing.T) {
	w := ringing(t)
	before, original := proto.Clone(w.call), w.call
	w.send(from(bob1), answerOn(2, "bob"))
	if !proto.Equal(before, original) {
		t.Error("the committed record was changed in place")
	}
}

// TestCloneCopiesEveryField fills every field of a record and its legs, so that
// a field added to the schema cannot be forgotten in the hand-written copy.
func TestCloneCopiesEveryField(t *testing.T) {
	full := &callv1.CallRecord{}
	fill(full.ProtoReflect(), 0)
	full.PendingEvents[0].Number = 0 // not delivered, so that only the copy is made
	recovered := step.Recover(full, start)
	for i := range recovered.GetLegs() {
		recovered.Legs[i].NextEvent = full.Legs[i].NextEvent
	}
	if !proto.Equal(full, recovered) {
		t.Errorf("the copy differs:\n%v\n%v", full, recovered)
	}
}

func fill(m protoreflect.Message, depth int) {
	if depth > 5 {
		return
	}
	if ts, ok := m.Interface().(*timestamppb.Timestamp); ok {
		ts.Seconds = 1
		return
	}
	fields := m.Descriptor().Fields()
	for i := range fields.Len() {
		f := fields.Get(i)
		switch {
		case f.IsList() && f.Message() != nil:
			l := m.Mutable(f).List()
			e := l.NewElement()
			fill(e.Message(), depth+1)
			l.Append(e)
		case f.IsList():
			l := m.Mutable(f).List()
			l.Append(scalar(f))
		case f.Message() != nil:
			fill(m.Mutable(f).Message(), depth+1)
		default:
			m.Set(f, scalar(f))
		}
	}
}

func scalar(f protoreflect.FieldDescriptor) protoreflect.Value {
	switch f.Kind() {
	case protoreflect.StringKind:
		return protoreflect.ValueOfString("x")
	case protoreflect.BoolKind:
		return protoreflect.ValueOfBool(true)
	case protoreflect.EnumKind:
		return protoreflect.ValueOfEnum(1)
	case protoreflect.Int32Kind:
		return protoreflect.ValueOfInt32(1)
	case protoreflect.Uint32Kind:
		return protoreflect.ValueOfUint32(1)
	case protoreflect.Uint64Kind:
		return protoreflect.ValueOfUint64(1)
	}
	return f.Default()
}

func TestTheLadderIsBoundedAndKeepsBothEnds(t *testing.T) {
	w := ringing(t)
	w.settings.Ladder = 8
	for i := range 40 {
		w.own(attachedTerminal(terminal("x"+string(rune('a'+i)), "sylkrtc", "bob", false)))
		w.send(from(bob1), failedOn(w.call.GetLegs()[len(w.call.GetLegs())-1].GetOrdinal(), "bob", busy))
	}
	w.send(from(alice), hangUpOn(1, "alice", unsaid))
	l := w.call.GetLadder()
	if w.call.GetLadderDropped() == 0 || l[0].GetWhat() != "offer" || l[len(l)-1].GetWhat() != "ended" {
		t.Errorf("ladder of %d, dropped %d: %v", len(l), w.call.GetLadderDropped(), l)
	}
}

// TestStrangersChangeNothingInAnAnsweredCall: the same of every command that an
// answered call knows, also from who rings or has a lost leg there.
func TestStrangersChangeNothingInAnAnsweredCall(t *testing.T) {
	noCall := callv1.Code_CODE_NOT_FOUND
	elsewhere := &callv1.Identity{Kind: "loopback", Node: "other"}
	for name, make := range map[string]func(leg uint32, who string) *callv1.Command{
		"re-offer": reofferOn, "push": pushOn, "refusal of a re-offer": refuseOn, "answer": answerOn, "ringing": ringingOn, "early media": earlyOn,
	} {
		for _, tt := range []struct {
			name string
			who  *callv1.Identity
			c    *callv1.Command
			want callv1.Code
		}{
			{"another node", elsewhere, make(1, "alice"), noCall},
			{"another adapter", from(alice), make(1, "alice"), noCall},
			{"another's leg", from(al1), make(2, "alice"), noCall},
			{"no part", from(carol), make(1, "carol"), noCall},
			{"nobody", from(al1), make(1, ""), noCall},
			{"no such leg", from(al1), make(9, "alice"), noCall},
			{"a pulled leg that is not there", from(al1), make(pulled(7), "alice"), noCall},
			{"a candidate for the active leg", from(bob1), make(1, "bob"), noCall},
			{"the active leg for a candidate", from(al1), make(3, "alice"), noCall},
			{"the media service", media, make(1, "alice"), callv1.Code_CODE_FORBIDDEN},
			{"call state", &callv1.Identity{Kind: "callstate", Node: "c1"}, make(1, "alice"), callv1.Code_CODE_FORBIDDEN},
			{"the owner itself", &callv1.Identity{}, make(1, "alice"), callv1.Code_CODE_FORBIDDEN},
		} {
			t.Run(name+" by "+tt.name, func(t *testing.T) {
				w := pushed(t)
				w.do(act{by: from(al1), c: reofferOn(1, "alice")})
				before := proto.Clone(w.call)
				out := w.send(tt.who, tt.c)
				if out.Reply.GetError().GetCode() != tt.want || out.Commit || !proto.Equal(before, w.call) || len(w.ops) > 0 {
					t.Errorf("reply %v, commit %v, plan %q", out.Reply, out.Commit, w.plan())
				}
			})
		}
	}
	w := talking(t)
	w.do(act{media, pullBy(bo2, 0), callv1.Code_CODE_FORBIDDEN, "", ""})
	w.do(act{elsewhere, pullBy(bo2, 0), callv1.Code_CODE_FORBIDDEN, "", ""})
	w.call = nil
	w.do(act{from(bo2), pullBy(bo2, 0), noCall, "", ""})
	w.do(act{from(al1), pushOn(1, "alice"), noCall, "", ""})
}
