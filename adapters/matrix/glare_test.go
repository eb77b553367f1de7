package matrix

import (
	"testing"

	"github.com/tandem-rtc/tandem/schema"
)

// TestCallsBack: a call does not ring in a room in which its caller is being called.
func TestCallsBack(t *testing.T) {
	bob, err := schema.ParseAddress("sip:bob@example.com")
	if err != nil {
		t.Fatal(err)
	}
	portal := &room{ID: "!portal", Own: "@tandem_bob=40example.com:s"}
	line := &room{ID: "!line", Own: "@tandem:s", LastCaller: bob.String()}
	others := &room{ID: "!line", Own: "@tandem:s", LastCaller: "tel:+12025550101"}
	for _, c := range []struct {
		name string
		call call
		room *room
		want bool
	}{
		{"it calls the caller", call{Room: "!portal", Placed: true}, portal, true},
		{"it calls the caller back on its line", call{Room: "!line", Placed: true}, line, true},
		{"it calls another on its line", call{Room: "!line", Placed: true}, others, false},
		{"it has been answered", call{Room: "!portal", Placed: true, Answered: true}, portal, false},
		{"it is being called", call{Room: "!portal"}, portal, false},
		{"it calls in another room", call{Room: "!other", Placed: true}, portal, false},
	} {
		x := &term{a: &Adapter{bot: "@tandem:s"}, calls: map[string]*call{"leg": &c.call}}
		if got := x.callsBack(c.room, bob); got != c.want {
			t.Errorf("%s: %v", c.name, got)
		}
	}
}
