package sylkrtc

import (
	"testing"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// A defect that one client's request shows ends its connection, and nothing else.
func TestADefectEndsItsConnectionOnly(t *testing.T) {
	s := serve(t, nil)
	s.host.with(func() {
		s.host.accept = func(c *callv1.Command) (*callv1.Reply, error) {
			if c.GetOffer().GetSdp() == "v=0 defect" {
				panic("a defect")
			}
			return carriedOut(c)
		}
	})
	other := s.client(t, sylkrtctest.V2)
	theirs := other.signIn("bob")
	c := s.client(t, sylkrtctest.V2)
	c.signIn("alice")
	_, err := c.Send(within(t), map[string]any{
		"sylkrtc": "session-create", "account": "alice@example.com", "uri": "bob@example.com", "session": "s1", "sdp": "v=0 defect",
	})
	c.ok(err)
	if err := c.Ended(within(t)); err == nil {
		t.Error("the connection ends as if nothing had happened")
	}
	other.place(theirs, "s2", "alice@example.com")
}
