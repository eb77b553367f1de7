package callstate

import (
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

// A node that starts again, often too, is one; two of one name put each other's place.
func TestTwins(t *testing.T) {
	at := time.Now()
	node := func(instance string) bus.Node { return bus.Node{Kind: "media", Node: "m1", Instance: instance} }
	tw := newTwins()
	for _, again := range [][2]string{{"a", "b"}, {"b", "c"}, {"c", "d"}} {
		if tw.replaced(node(again[0]), node(again[1]), at) || len(tw.problems(at)) != 0 {
			t.Errorf("%v: a start again is taken for a second process", again)
		}
	}
	if !tw.replaced(node("d"), node("c"), at) {
		t.Error("not found")
	}
	if tw.replaced(node("c"), node("d"), at.Add(time.Second)) {
		t.Error("told twice")
	}
	if p := tw.problems(at.Add(twinsFor)); len(p) != 1 || p[0] != "two processes run as media/m1: give each a node name of its own, and start both anew" {
		t.Errorf("%q", p)
	}
	if p := tw.problems(at.Add(twinsFor + 2*time.Second)); len(p) != 0 {
		t.Errorf("later: %q", p)
	}
	if tw.replaced(node("d"), node("c"), at.Add(time.Minute)) {
		t.Error("what was long ago says nothing")
	}
	if !tw.replaced(node("c"), node("d"), at.Add(time.Minute+time.Second)) {
		t.Error("not told anew")
	}
	tw.replaced(bus.Node{Kind: "media", Node: "m2", Instance: "x"}, bus.Node{Kind: "media", Node: "m2", Instance: "y"}, at.Add(time.Hour))
	if len(tw.ended) != 1 {
		t.Errorf("%d starts are remembered for good", len(tw.ended))
	}
}
