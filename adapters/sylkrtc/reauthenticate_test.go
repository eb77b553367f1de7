package sylkrtc

import (
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// verifiedBefore has the accounts of all connections verified that much earlier.
func (s *server) verifiedBefore(by time.Duration) {
	s.adapter.mu.Lock()
	defer s.adapter.mu.Unlock()
	for p := range s.adapter.peers {
		p.mu.Lock()
		for _, a := range p.accounts {
			a.verified = a.verified.Add(-by)
		}
		p.mu.Unlock()
	}
}

// Credentials that expire or are revoked get nobody further than the next time
// that they are verified.
func TestReauthenticate(t *testing.T) {
	const every = 10 * time.Minute
	code := func(c callv1.Code) error { return schema.Errorf(c, "no") }
	const gone, forbidden, away = callv1.Code_CODE_UNAUTHENTICATED, callv1.Code_CODE_FORBIDDEN, callv1.Code_CODE_RETRY
	for _, row := range []struct {
		name     string
		age      time.Duration // since the registration
		now      callv1.Code   // of what the directory says by then
		after    time.Duration
		verified int    // how often, besides the registration
		ended    string // how the call ends; "" if it is placed
		refused  string // or what its request gets
		reason   string // of the registration's end, if it ends
	}{
		{name: "lately", age: every - time.Minute, now: gone, after: every},
		{name: "long ago", age: every, after: every, verified: 1},
		{name: "revoked", age: every, now: gone, after: every, verified: 1, ended: textCredentials, reason: textCredentials},
		{name: "not allowed", age: 100 * time.Hour, now: forbidden, after: every, verified: 1, ended: "403 Forbidden", reason: "403 Forbidden"},
		{name: "directory away", age: every, now: away, after: every, verified: 1, refused: textUnavailable},
		{name: "each time", after: 0, verified: 1},
		{name: "each time, revoked", now: gone, after: 0, verified: 1, ended: textCredentials, reason: textCredentials},
	} {
		t.Run(row.name, func(t *testing.T) {
			both(t, func(t *testing.T, v string) {
				s := serve(t, func(c *Config) { c.Reauthenticate = row.after })
				c := s.client(t, v)
				c.signIn("alice")
				s.verifiedBefore(row.age)
				s.host.with(func() {
					if s.host.verified = 0; row.now != 0 {
						s.host.directory = code(row.now)
					}
				})
				err := c.Create(within(t), "s1", alice, bob, "offer")
				switch {
				case row.refused != "":
					c.refused(err, row.refused)
					s.host.noCommand(t)
				case row.ended != "":
					c.ok(err)
					c.terminated("s1", row.ended)
					s.host.noCommand(t)
				default:
					c.ok(err)
					c.state("s1", "progress")
				}
				if row.reason != "" {
					m, err := c.Next(within(t), func(m sylkrtctest.Message) bool { return m.Event == "registration-state" })
					if c.ok(err); m.State != "failed" || m.Reason != row.reason {
						t.Errorf("heard %s", m.Raw)
					}
				}
				s.host.mu.Lock()
				defer s.host.mu.Unlock()
				if s.host.verified != row.verified {
					t.Errorf("verified %d times, want %d", s.host.verified, row.verified)
				}
				for _, term := range s.host.terminals {
					if term.GetRings() != (row.reason == "") {
						t.Errorf("the terminal is %v", term)
					}
				}
			})
		})
	}
}

// Registering verifies, however lately that was done; a registration that fails
// ends the one before.
func TestReauthenticateAtRegister(t *testing.T) {
	s := serve(t, nil)
	c := s.client(t, sylkrtctest.V2)
	c.signIn("alice")
	s.host.with(func() { s.host.directory = schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "no") })
	c.refused(c.Register(within(t), alice), textCredentials)
	s.host.terminal(t, "alice", false)
	c.ok(c.Create(within(t), "s1", alice, bob, "offer"))
	c.terminated("s1", textCredentials)
	s.host.with(func() { s.host.directory = nil })
	c.ok(c.Register(within(t), alice))
	c.ok(c.Create(within(t), "s2", alice, bob, "offer"))
	c.state("s2", "progress")
}

// Messages, address books and keys need credentials that hold, as calls do.
func TestReauthenticateForMessages(t *testing.T) {
	for name, fields := range map[string]map[string]any{
		"account-message":            {"account": alice, "uri": bob, "message_id": "m", "content": "x", "content_type": "text/plain", "timestamp": someTime},
		"account-sync-conversations": {"account": alice},
		"lookup-public-key":          {"uri": bob},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, nil)
			c := s.client(t, sylkrtctest.V2)
			c.signIn("alice")
			s.verifiedBefore(time.Hour)
			c.ok(c.request(name, fields))
			s.verifiedBefore(time.Hour)
			s.host.with(func() { s.host.directory = schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "no") })
			c.refused(c.request(name, fields), "Account not authenticated")
			s.host.terminal(t, "alice", false)
		})
	}
}
