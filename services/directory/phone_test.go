package directory

import (
	"testing"

	"github.com/tandem-rtc/tandem/bus/membus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func (n *node) phoneOfID(id string) (*callv1.DirectoryReply, error) {
	n.t.Helper()
	return n.question(&callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Phone{Phone: &callv1.Phone{Subscriber: id}}})
}

func TestPhone(t *testing.T) {
	cfg := config()
	cfg.Subscribers = append(cfg.Subscribers,
		Subscriber{ID: "erin", Addresses: []string{"sip:erin@example.org"}, Phone: "sip:bob@example.org"},
		Subscriber{ID: "frank", Addresses: []string{"tel:+12025550106"}},
		Subscriber{ID: "grace", Phone: "matrix:u/carol:example.org"},
	)
	cfg.Subscribers[5].Phone = "tel:+1-202-555-0199" // nobody's
	n := start(t, membus.NewServer(), cfg)
	for _, tt := range []struct {
		id, address, who string
		code             callv1.Code
	}{
		{"alice", "tel:+12025550101", "alice", 0}, // the first number
		{"bob", "sip:bob@example.org", "bob", 0},  // the first address
		{"dave@home", n.number(t, "dave@home"), "dave@home", 0},
		{"erin", "sip:bob@example.org", "bob", 0},
		{"grace", "matrix:u/carol:example.org", "carol", 0},
		{"frank", "", "", callv1.Code_CODE_NOT_FOUND},
		{"zoe", "", "", callv1.Code_CODE_NOT_FOUND},
		{"", "", "", callv1.Code_CODE_NOT_FOUND},
	} {
		t.Run(tt.id, func(t *testing.T) {
			r, err := n.phoneOfID(tt.id)
			wantCode(t, err, tt.code)
			if r.GetAddress() != tt.address || r.GetParty().GetSubscriber() != tt.who || r.GetWakes() {
				t.Errorf("%v", r)
			}
		})
	}
}

func TestSetPhone(t *testing.T) {
	n := start(t, membus.NewServer(), config())
	ctx := t.Context()
	erin := Subscriber{ID: "erin", Addresses: []string{"sip:erin@example.org", "tel:+12025550105"}, Password: "secret"}
	if err := n.Put(ctx, erin); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		set, want string
		code      callv1.Code
	}{
		{"sip:bob@example.org", "sip:bob@example.org", 0},
		{" tel:+1-202-555-0101 ", "tel:+12025550101", 0},
		{"alice", "tel:+12025550101", callv1.Code_CODE_INVALID},
		{"", "tel:+12025550105", 0},
	} {
		wantCode(t, n.SetPhone(ctx, "erin", tt.set), tt.code)
		if r, err := n.phoneOfID("erin"); err != nil || r.GetAddress() != tt.want {
			t.Errorf("after %q: %v, %v", tt.set, r, err)
		}
	}
	if _, err := n.password("erin@example.org", "erin", "secret"); err != nil {
		t.Errorf("the password is gone: %v", err)
	}
	wantCode(t, n.SetPhone(ctx, "alice", "tel:+12025550105"), callv1.Code_CODE_REJECTED)
	wantCode(t, n.SetPhone(ctx, "zoe", "tel:+12025550105"), callv1.Code_CODE_NOT_FOUND)
	n.stop()
	wantCode(t, n.SetPhone(ctx, "erin", ""), callv1.Code_CODE_RETRY)
}
