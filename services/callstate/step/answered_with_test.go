package step_test

import (
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// TestAnAnswerSaysWhatItsTerminalCanDo: one whose client cannot be offered anew is
// not, also after another terminal has taken its leg up.
func TestAnAnswerSaysWhatItsTerminalCanDo(t *testing.T) {
	for name, tt := range map[string]struct {
		says    *callv1.Features
		offered bool
	}{
		"nothing":               {nil, true},
		"that it renegotiates":  {&callv1.Features{Renegotiates: true, Video: true}, true},
		"that it does not":      {&callv1.Features{Video: true}, false},
		"that it does not show": {&callv1.Features{ShowsCalls: true}, false},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t)
			bob := room("r1", "bob", "i1", start)
			attached := proto.CloneOf(bob)
			w.targets = []*callv1.Terminal{bob}
			w.mustOK(w.send(from(al1), offerFrom(al1)))
			c := answerOn(2, "bob")
			c.GetAnswer().Features = tt.says
			w.mustOK(w.send(matrix1, c))
			w.mustOK(w.send(media, connectedOn(1)))
			w.mustOK(w.send(media, connectedOn(2)))
			f := legOf(w, 2).GetTerminal().GetFeatures()
			if !f.GetResumes() || !f.GetRemembersCalls() || !f.GetDurable() || f.GetShowsCalls() {
				t.Errorf("features %v", f)
			}
			if tt.says != nil && (f.GetVideo() != tt.says.GetVideo() || f.GetRenegotiates() != tt.says.GetRenegotiates()) {
				t.Errorf("features %v, said %v", f, tt.says)
			}
			if !proto.Equal(bob, attached) {
				t.Errorf("the terminal was changed: %v", bob)
			}
			for n := range 2 { // and again after a loss
				w.do(act{by: from(al1), c: reofferOn(1, "alice")})
				if got := has(w.call, kindReoffer); got != tt.offered {
					t.Fatalf("round %d: offered anew %v, want %v", n, got, tt.offered)
				}
				if tt.offered {
					w.due(0, kindReoffer, legID(2))
					w.check(stories{2: "incoming established re-offer"})
					w.mustOK(w.send(matrix1, refuseOn(2, "bob")))
				}
				w.own(ownLoss(legOf(w, 2)))
				w.now = w.now.Add(time.Second)
				w.own(attachedTerminal(w.again("r2")))
				if legOf(w, 2).GetTerminal().GetId() != "r2" {
					t.Fatalf("leg %v", legOf(w, 2))
				}
			}
			w.check(stories{2: "incoming established"})
		})
	}
}

// TestAPhonesAnswerSaysWhatItCanDo, as any.
func TestAPhonesAnswerSaysWhatItCanDo(t *testing.T) {
	w := pushedToRoom(t)
	w.own(attachedTerminal(room("c2", "carol", "i2", w.now)))
	c := answerOn(3, "carol")
	c.GetAnswer().Features = &callv1.Features{}
	w.do(act{by: matrix1, c: c})
	w.mustOK(w.send(media, connectedOn(3)))
	w.do(act{by: from(bo1), c: reofferOn(2, "bob")})
	if has(w.call, kindReoffer) {
		t.Error("offered anew")
	}
	w.check(stories{3: "incoming established"})
}
