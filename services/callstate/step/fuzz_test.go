package step_test

import (
	"testing"

	"google.golang.org/protobuf/proto"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// FuzzStep feeds any command to a call in each state.
func FuzzStep(f *testing.F) {
	for _, c := range []*callv1.Command{
		offerFrom(alice), answerOn(2, "bob"), pullBy(bo2, 0), pushOn(1, "alice"), reofferOn(1, "alice"), refuseOn(2, "bob"), earlyOn(2, "bob"), hangUpOn(1, "alice", unsaid), failedOn(2, "bob", lost), connectedOn(1),
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
		w := []func(*testing.T) *world{newWorld, ringing, answered, established, talking, pushed}[state%6](t)
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
