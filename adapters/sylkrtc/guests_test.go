package sylkrtc

import (
	"testing"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// A guest is never shown as somebody of this exchange.
func TestGuestCalls(t *testing.T) {
	const wrong = "904 Operation has no matching challenge "
	for _, row := range []struct {
		name, account string
		required      bool
		refused       string // how the call ends at once
		shown, as     string // else the caller's address and name
	}{
		{name: "passwords are verified", account: "alice@example.com", required: true, refused: wrong},
		{name: "passwords are verified, unknown name", account: "visitor@example.com", required: true, refused: wrong},
		{name: "a subscriber's name", account: "alice@example.com", refused: wrong},
		{name: "a subscriber's name, spelt otherwise", account: "sip:alice@Example.COM", refused: wrong},
		{name: "a subscriber's number", account: "+12025550177@elsewhere.org", refused: wrong},
		{name: "a name in a served domain", account: "reception@example.com", shown: "sip:anonymous@anonymous.invalid"},
		{name: "almost a subscriber's name", account: "Alice@example.com", shown: "sip:anonymous@anonymous.invalid"},
		{name: "a name elsewhere", account: "alice@elsewhere.org", shown: "sip:alice@elsewhere.org", as: "The Boss"},
		{name: "nobody's number", account: "+12025550178@elsewhere.org", shown: "sip:+12025550178@elsewhere.org", as: "The Boss"},
	} {
		t.Run(row.name, func(t *testing.T) {
			both(t, func(t *testing.T, v string) {
				s := serve(t, func(c *Config) { c.AuthForCalls = row.required })
				c := s.client(t, v)
				c.ok(c.request("account-add", map[string]any{"account": row.account, "display_name": "The Boss",
					"password": "00000000000000000000000000000000", "user_agent": "x"}))
				c.ok(c.Create(within(t), "s1", row.account, "bob@example.com", "offer"))
				if row.refused != "" {
					c.terminated("s1", row.refused)
					s.host.noCommand(t)
					return
				}
				c.state("s1", "progress")
				o := s.host.command(t)
				by := o.GetOffer().GetCaller()
				if known(o.GetPrincipal()) || by.GetSubscriber() != "" || len(by.GetAddresses()) != 1 ||
					by.GetAddresses()[0] != row.shown || by.GetDisplayName() != row.as {
					t.Errorf("%s calls as %v", o.GetPrincipal(), by)
				}
				if err := c.Register(within(t), row.account); err == nil {
					t.Error("a guest is registered")
				}
			})
		})
	}
}

// While the directory cannot say who somebody is, a guest does not call.
func TestGuestWithoutDirectory(t *testing.T) {
	s := serve(t, func(c *Config) { c.AuthForCalls = false })
	c := s.client(t, sylkrtctest.V2)
	c.ok(c.AddAccount(within(t), "visitor@elsewhere.org", "x"))
	s.host.with(func() { s.host.directory = schema.Errorf(callv1.Code_CODE_RETRY, "away") })
	c.refused(c.Create(within(t), "s1", "visitor@elsewhere.org", "bob@example.com", "offer"), "503 Service Unavailable")
	s.host.noCommand(t)
}

// Calls of one guest are not another's who uses the same name.
func TestGuestsAreNotOne(t *testing.T) {
	s := serve(t, func(c *Config) { c.AuthForCalls = false })
	var principals [2]string
	for i := range principals {
		c := s.client(t, sylkrtctest.V2)
		c.ok(c.AddAccount(within(t), "visitor@elsewhere.org", "x"))
		for _, id := range []string{"s1", "s2"} {
			c.ok(c.Create(within(t), id, "visitor@elsewhere.org", "bob@example.com", "offer"))
			by := s.host.command(t).GetPrincipal()
			if id == "s2" && by != principals[i] {
				t.Errorf("one guest is %s and %s", principals[i], by)
			}
			principals[i] = by
		}
	}
	if principals[0] == principals[1] {
		t.Errorf("both are %s", principals[0])
	}
}
