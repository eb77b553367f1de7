package step_test

import (
	"fmt"
	"math/rand"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// randomCommand is anything anybody could send at any time.
func randomCommand(r *rand.Rand, w *world) (*callv1.Identity, *callv1.Command) {
	who := []*callv1.Terminal{alice, bob1, bob2}[r.Intn(3)]
	leg := uint32(r.Intn(5) + 1)
	reason := callv1.Reason(r.Intn(16))
	switch r.Intn(12) {
	case 0:
		return from(who), offerFrom(who)
	case 1:
		return from(who), ringingOn(leg, who.GetSubscriber())
	case 2, 3:
		return from(who), answerOn(leg, who.GetSubscriber())
	case 4:
		return from(who), hangUpOn(leg, who.GetSubscriber(), reason)
	case 5:
		return from(who), failedOn(leg, who.GetSubscriber(), reason)
	case 6, 7:
		return media, connectedOn(leg)
	case 8:
		return media, mediaFailedOn(leg)
	case 9:
		t := terminal(fmt.Sprint("t", r.Intn(6)), []string{"sylkrtc", "grpcpipe"}[r.Intn(2)], []string{"alice", "bob"}[r.Intn(2)], r.Intn(2) == 0)
		return &callv1.Identity{}, attachedTerminal(t)
	case 10:
		w.now = w.now.Add(time.Duration(r.Intn(40)) * time.Second)
		leg := ""
		if r.Intn(2) == 0 {
			leg = legID(uint32(r.Intn(4) + 1))
		}
		return &callv1.Identity{}, passed(callv1.DeadlineKind(r.Intn(5)), leg)
	}
	return &callv1.Identity{Kind: "callstate", Node: "c"}, &callv1.Command{LegId: loserLeg(key.CallID("bob", "t", fmt.Sprint(r.Intn(2)))),
		Principal: "bob", Body: &callv1.Command_HandOver{HandOver: &callv1.HandOver{
			FromCallId: key.CallID("bob", "t", "2"), NextEvent: 1, MediaRevision: 2,
			Offer: &callv1.Offer{To: "sip:alice@demo.test", Sdp: "s", Terminal: bob1, Caller: party("bob")},
		}}}
}

// TestRandomInterleavings: whatever anybody sends in whatever order, with
// commands repeated, media failing and owners crashing between commits, every
// record is sound and nothing changes without a commit.
func TestRandomInterleavings(t *testing.T) {
	for seed := range int64(400) {
		r := rand.New(rand.NewSource(seed)) //nolint:gosec // reproducible on purpose
		w := newWorld(t)
		w.targets = []*callv1.Terminal{bob1, bob2}
		w.mustOK(w.send(from(alice), offerFrom(alice)))
		var lastWho *callv1.Identity
		var last *callv1.Command
		for range 30 {
			who, c := randomCommand(r, w)
			if last != nil && r.Intn(5) == 0 {
				who, c = lastWho, last // repeated on the wire
			}
			w.fail = map[string]callv1.Code{}
			if r.Intn(6) == 0 {
				w.fail[legID(uint32(r.Intn(4)+1))] = callv1.Code_CODE_NOT_ACCEPTABLE
			}
			before := proto.Clone(w.call)
			committed := w.call
			out := w.send(who, c)
			lastWho, last = who, c
			if !proto.Equal(before, committed) {
				t.Fatalf("seed %d: a committed record was changed", seed)
			}
			if out.Reply == nil {
				t.Fatalf("seed %d: no reply to %v", seed, c)
			}
			if !out.Commit && len(out.Call.GetPendingEvents()) != len(committed.GetPendingEvents()) {
				t.Fatalf("seed %d: an effect without a commit", seed)
			}
			if out.Commit && r.Intn(4) == 0 { // the owner dies after the commit
				w.call = step.Recover(out.Call)
			}
			if (!out.Commit || out.Provisional) && r.Intn(4) == 0 { // or before one
				w.call = step.Recover(committed)
			}
			checkInvariants(t, w.call)
			if t.Failed() {
				t.Fatalf("seed %d after %v", seed, c)
			}
		}
	}
}

// FuzzStep feeds any command to a call in each state.
func FuzzStep(f *testing.F) {
	for _, c := range []*callv1.Command{
		offerFrom(alice), answerOn(2, "bob"), hangUpOn(1, "alice", unsaid), failedOn(2, "bob", lost), connectedOn(1),
		mediaFailedOn(2), attachedTerminal(bob1), passed(callv1.DeadlineKind_DEADLINE_KIND_ANSWER, ""),
	} {
		data, err := proto.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data, byte(0), "sylkrtc", "sylkrtc1")
	}
	f.Fuzz(func(t *testing.T, data []byte, state byte, kind, node string) {
		c := &callv1.Command{}
		if proto.Unmarshal(data, c) != nil {
			return
		}
		w := []func(*testing.T) *world{newWorld, ringing, answered, established}[state%4](t)
		in := step.Input{
			Call: w.call, Command: c, From: &callv1.Identity{Kind: kind, Node: node}, Now: w.now, Epoch: 1,
			Settings: w.settings, Callee: party("bob"), Targets: []*callv1.Terminal{bob1}, MediaNode: "m1",
		}
		out := w.run(in)
		if out.Reply == nil {
			t.Fatal("no reply")
		}
		if out.Call != nil {
			checkInvariants(t, out.Call)
		}
	})
}
