package sylkrtc

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/services/callstate"
)

// Calls through real call state, in the protocol's own words: updates, and calls
// whose connections break.

// caller is a client in an exchange.
type caller struct {
	t *testing.T
	*sylkrtctest.Client
	aor string
	id  string // its session
}

// exchange runs call state, stub media and a node of this adapter.
func exchange(t *testing.T, v string) (signIn func(kittest.Account) *caller) {
	t.Helper()
	_, signIn = exchangeWith(t, v, patience)
	return signIn
}

func exchangeWith(t *testing.T, v string, grace time.Duration) (*kittest.Exchange, func(kittest.Account) *caller) {
	t.Helper()
	cfg := callstate.DefaultConfig()
	cfg.Grace = grace
	x := kittest.NewExchange(kittest.FromT(t), kittest.ExchangeConfig{CallState: &cfg})
	n := x.Node("n1", conformanceNode(kittest.FromT(t), v))
	return x, func(a kittest.Account) *caller {
		t.Helper()
		c, _ := n.SignIn(a)
		return &caller{t: t, Client: sylkrtctest.Beneath(c), aor: a.AOR}
	}
}

func (c *caller) ok(err error) {
	c.t.Helper()
	if err != nil {
		c.t.Fatal(err)
	}
}

// await requires the next event of the session.
func (c *caller) await(state string) sylkrtctest.Message {
	c.t.Helper()
	m, err := c.Next(within(c.t), func(m sylkrtctest.Message) bool {
		return m.Type == "session-event" && m.Session == c.id && m.State != "proceeding" && m.State != "ringing" && m.State != "progress"
	})
	c.ok(err)
	if m.State != state {
		c.t.Fatalf("%s heard %s, want %s", c.aor, m.Raw, state)
	}
	return m
}

// incoming waits for a call and takes it for the client's session.
func (c *caller) incoming() sylkrtctest.Message {
	c.t.Helper()
	m, err := c.Incoming(within(c.t), c.aor)
	c.ok(err)
	c.id = m.Session
	return m
}

// talk has two clients in an established call.
func talk(t *testing.T, alice, bob *caller) {
	t.Helper()
	alice.id = "s1"
	alice.ok(alice.Create(within(t), "s1", alice.aor, bob.aor, kittest.SDP("alice")))
	bob.incoming()
	bob.ok(bob.Answer(within(t), bob.id, passive("bob")))
	bob.await("accepted")
	alice.await("accepted")
	alice.await("established")
	bob.await("established")
}

// passive is an answer, as every client makes it.
func passive(name string) string {
	return strings.ReplaceAll(kittest.SDP(name), "a=setup:actpass", "a=setup:passive")
}

// onHold is a description that only sends.
func onHold(sdp string) string { return strings.ReplaceAll(sdp, "a=sendrecv", "a=sendonly") }

func TestExchangeUpdates(t *testing.T) {
	signIn := exchange(t, sylkrtctest.V2)
	alice, bob := signIn(kittest.Alice), signIn(kittest.Bob)
	talk(t, alice, bob)
	for range 3 { // hold and resume, from either side
		for _, sdp := range []string{onHold(kittest.SDP("alice")), kittest.SDP("alice")} {
			alice.ok(alice.Update(within(t), alice.id, sdp))
			if m := alice.await("accepted"); m.SDP == "" {
				t.Errorf("no answer in %s", m.Raw)
			}
			if m := bob.await("received"); m.SDP == "" {
				t.Errorf("no offer in %s", m.Raw)
			}
			bob.ok(bob.Update(within(t), bob.id, passive("bob")))
		}
		alice, bob = bob, alice
	}
	alice.ok(alice.Terminate(within(t), alice.id))
	alice.await("terminated")
	bob.await("terminated")
}

func TestExchangeUpdateBeforeAnswer(t *testing.T) {
	signIn := exchange(t, sylkrtctest.V2)
	alice, bob := signIn(kittest.Alice), signIn(kittest.Bob)
	alice.ok(alice.Create(within(t), "s1", alice.aor, bob.aor, kittest.SDP("alice")))
	bob.incoming()
	if err := alice.Update(within(t), "s1", kittest.SDP("alice")); err == nil || !strings.Contains(err.Error(), "Invalid state for updating session s1: progress") {
		t.Errorf("refused with %v", err)
	}
}

// A call whose connection broke is offered anew to the account's clients, and the
// first that answers has it; the other side hears nothing of it.
func TestExchangeOfferedAnew(t *testing.T) {
	for _, v := range versions {
		for _, there := range []bool{true, false} {
			t.Run(v+map[bool]string{true: " to another that is there", false: " to one that comes"}[there], func(t *testing.T) {
				signIn := exchange(t, v)
				alice, bob := signIn(kittest.Alice), signIn(kittest.Bob)
				var second *caller
				if there {
					second = signIn(kittest.Alice)
				}
				talk(t, alice, bob)
				alice.Close()
				if !there {
					second = signIn(kittest.Alice)
				}
				m := second.incoming()
				if m.Originator.URI != bob.aor || m.Session == "s1" {
					t.Errorf("heard %s", m.Raw)
				}
				second.ok(second.Answer(within(t), second.id, passive("alice")))
				second.await("accepted")
				second.await("established")
				bob.ok(bob.Terminate(within(t), bob.id))
				bob.await("terminated")
				if m := second.await("terminated"); m.Reason != textRemote {
					t.Errorf("heard %s", m.Raw)
				}
			})
		}
	}
}

// A client that remembers its session takes it up by its old name, whoever else is
// offered it; what was offered is taken back, and nobody missed anything.
func TestExchangeTakenUp(t *testing.T) {
	signIn := exchange(t, sylkrtctest.V2)
	alice, bob, other := signIn(kittest.Alice), signIn(kittest.Bob), signIn(kittest.Alice)
	talk(t, alice, bob)
	alice.Close()
	other.incoming()
	again := signIn(kittest.Alice)
	again.incoming()
	anew := again.id
	again.ok(again.Update(within(t), "s1", kittest.SDP("alice")))
	again.id = "s1"
	if m := again.await("accepted"); m.SDP == "" {
		t.Errorf("no answer in %s", m.Raw)
	}
	again.id = anew
	for _, c := range []*caller{other, again} {
		if m := c.await("terminated"); m.Reason != textCancelled {
			t.Errorf("heard %s", m.Raw)
		}
		if missed := c.Unheard(); strings.Contains(missed, "missed") {
			t.Errorf("heard %s", missed)
		}
	}
	again.id = "s1"
	again.ok(again.Terminate(within(t), "s1"))
	again.await("terminated")
	if m := bob.await("terminated"); m.Reason != textRemote {
		t.Errorf("heard %s", m.Raw)
	}
}

// A connection that broke may be there for minutes before anybody notices. Its
// client, back on a new one, has its call there from its first word on, and the old
// one ends.
func TestExchangeTakenUpFromStaleConnection(t *testing.T) {
	x, signIn := exchangeWith(t, sylkrtctest.V2, patience)
	alice, bob := signIn(kittest.Alice), signIn(kittest.Bob)
	talk(t, alice, bob)
	stale := x.Terminals("alice")[0].GetId()
	again := signIn(kittest.Alice)
	again.id = "s1"
	again.ok(again.Update(within(t), "s1", kittest.SDP("alice")))
	again.await("accepted")
	if err := alice.Ended(within(t)); err == nil {
		t.Error("the old connection lives on")
	}
	// The call is taken up once its leg's loss was noticed.
	for late := within(t); ; {
		all, err := x.Records(late)
		if err != nil {
			t.Fatal(err)
		}
		if l := all[0].GetLegs()[0]; l.GetTerminal().GetId() != stale && !l.GetLost() && len(all[0].GetDeadlines()) < 2 {
			break
		}
		select {
		case <-time.After(5 * time.Millisecond): // until the next look
		case <-late.Done():
			t.Fatalf("the leg was not taken up: %v", all)
		}
	}
	if heard := again.Unheard(); strings.Contains(heard, "incoming-session") || strings.Contains(heard, "terminated") {
		t.Errorf("the client heard %s", heard)
	}
	bob.ok(bob.Terminate(within(t), bob.id))
	again.await("terminated")
}

// When another client has answered, the old name is nobody's any more.
func TestExchangeTakenUpTooLate(t *testing.T) {
	signIn := exchange(t, sylkrtctest.V2)
	alice, bob, other := signIn(kittest.Alice), signIn(kittest.Bob), signIn(kittest.Alice)
	talk(t, alice, bob)
	alice.Close()
	other.incoming()
	other.ok(other.Answer(within(t), other.id, passive("alice")))
	other.await("accepted")
	other.await("established")
	again := signIn(kittest.Alice)
	err := again.Update(within(t), "s1", kittest.SDP("alice"))
	if err == nil || !strings.HasPrefix(err.Error(), "sylkrtc: Session s1 is terminated") && !strings.HasPrefix(err.Error(), "sylkrtc: Unknown session s1") {
		t.Errorf("updated with %v", err)
	}
	bob.ok(bob.Terminate(within(t), bob.id))
	other.await("terminated")
}

// All of an account's clients decline what they are offered anew: the call stays,
// and is still there for the one that had it.
func TestExchangeOfferedAnewDeclined(t *testing.T) {
	signIn := exchange(t, sylkrtctest.V2)
	alice, bob, other := signIn(kittest.Alice), signIn(kittest.Bob), signIn(kittest.Alice)
	talk(t, alice, bob)
	alice.Close()
	other.incoming()
	other.ok(other.Terminate(within(t), other.id))
	other.await("terminated")
	again := signIn(kittest.Alice)
	again.id = "s1"
	again.ok(again.Update(within(t), "s1", kittest.SDP("alice")))
	again.await("accepted")
	again.ok(again.Terminate(within(t), "s1"))
	again.await("terminated")
	bob.await("terminated")
}
