package matrix

import (
	"log/slog"
	"testing"
	"time"

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

// TestSettleGlare: whose call stands where two cross in a room.
func TestSettleGlare(t *testing.T) {
	cfg := Defaults()
	now, before := time.Now(), time.Now().Add(-2*crossing)
	for _, c := range []struct {
		name    string
		rings   call
		invitee string
		placed  bool // the person's stands
	}{
		{"a client that does not settle it", call{CallID: "a", rung: now}, "", true},
		{"a client that does, and ours is the lesser", call{CallID: "a", rung: now}, "@tandem_1:s", false},
		{"a client that does, and its own is the lesser", call{CallID: "z", rung: now}, "@tandem_1:s", true},
		{"ours is on its way", call{CallID: "a"}, "@tandem_1:s", false},
		{"ours rang before", call{CallID: "a", rung: before}, "@tandem_1:s", true},
		{"ours is answered", call{CallID: "a", rung: now, Answered: true}, "@tandem_1:s", true},
	} {
		k := c.rings
		k.Room = "!r"
		x := &term{
			cfg: cfg, log: slog.New(slog.DiscardHandler), calls: map[string]*call{"leg": &k}, hung: newRecent[name](8),
		}
		placed := x.settleGlare(&room{ID: "!r"}, content{CallID: "m", Invitee: c.invitee})
		if placed != c.placed {
			t.Errorf("%s: the person's call is placed: %v", c.name, placed)
		}
		if yields := placed && !k.Answered; k.yields != yields {
			t.Errorf("%s: ours yields: %v", c.name, k.yields)
		}
	}
}
