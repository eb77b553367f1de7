package directory

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// matrixConfig is the usual exchange, to whose server zoe and her like belong.
func matrixConfig() Config {
	c := config()
	c.MatrixServers = []string{"example.org", "matrix.example:8448"}
	return c
}

// startMatrix runs a node that is asked by an adapter of kind matrix.
func startMatrix(t *testing.T, broker *membus.Server, cfg Config) *node {
	t.Helper()
	n := start(t, broker, cfg)
	n.ask = asker(t, broker, "matrix")
	return n
}

func asker(t *testing.T, broker *membus.Server, kind string) *bus.Bus {
	t.Helper()
	d := broker.Connect()
	t.Cleanup(func() { _ = d.Close() })
	b, err := bus.New(d, kind, "n1")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func (n *node) assert(address, name string) (*callv1.Principal, error) {
	n.t.Helper()
	return n.authenticate(&callv1.Credentials{Proof: &callv1.Credentials_Asserted{
		Asserted: &callv1.Asserted{Address: address, DisplayName: name},
	}})
}

const zoe = "matrix:u/zoe:example.org"

func TestAssertedWhoIs(t *testing.T) {
	n := startMatrix(t, membus.NewServer(), matrixConfig())
	tests := []struct {
		name, address, who string
		code               callv1.Code
	}{
		{"a configured subscriber", "matrix:u/carol:example.org", "carol", 0},
		{"a user of a listed server", zoe, "mx.zoe.sacav3fpdgmqn6ko", 0},
		{"one with a port", "matrix:u/Zo%25e:matrix.example:8448", "", 0},
		{"a user of another server", "matrix:u/zoe:elsewhere.example", "", callv1.Code_CODE_FORBIDDEN},
		{"the same server's other port", "matrix:u/zoe:matrix.example", "", callv1.Code_CODE_FORBIDDEN},
		{"a number", "tel:+12025550101", "", callv1.Code_CODE_FORBIDDEN},
		{"an account", "sip:alice@example.org", "", callv1.Code_CODE_FORBIDDEN},
		{"no address", "@zoe:example.org", "", callv1.Code_CODE_INVALID},
		{"nothing", "", "", callv1.Code_CODE_INVALID},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := n.assert(tt.address, "Somebody")
			wantCode(t, err, tt.code)
			if err != nil {
				return
			}
			if tt.who != "" && p.GetSubscriber() != tt.who {
				t.Errorf("subscriber %q, want %q", p.GetSubscriber(), tt.who)
			}
			if p.GetParty().GetAddresses()[0] != tt.address {
				t.Errorf("addresses %v, want %s first", p.GetParty().GetAddresses(), tt.address)
			}
		})
	}
	if got := n.counts.get("matrix asserted ok"); got != 3 {
		t.Errorf("%d sign-ins counted, want 3", got)
	}
	if got := n.counts.get("matrix asserted forbidden"); got != 4 {
		t.Errorf("%d refusals counted, want 4", got)
	}
}

func TestAssertedByTheWrongKind(t *testing.T) {
	n := start(t, membus.NewServer(), matrixConfig()) // asks as sylkrtc
	for _, address := range []string{"matrix:u/carol:example.org", zoe} {
		_, err := n.assert(address, "")
		wantCode(t, err, callv1.Code_CODE_FORBIDDEN)
	}
	if len(n.List()) != 4 {
		t.Errorf("subscribers were made: %v", n.List())
	}
}

func TestMatrixUserIsASubscriber(t *testing.T) {
	broker := membus.NewServer()
	n := startMatrix(t, broker, matrixConfig())
	_, err := n.resolve(zoe)
	wantCode(t, err, callv1.Code_CODE_NOT_FOUND)
	p, err := n.assert(zoe, "Zoe\nof the North")
	if err != nil {
		t.Fatal(err)
	}
	party := p.GetParty()
	if party.GetDisplayName() != "Zoe of the North" || party.GetSubscriber() != p.GetSubscriber() ||
		schemes(party) != "matrix tel sip" {
		t.Errorf("party %v", party)
	}
	for _, a := range party.GetAddresses() {
		if got, err := n.resolve(a); got.GetSubscriber() != p.GetSubscriber() {
			t.Errorf("%s is %v, %v", a, got, err)
		}
	}
	revision := n.cache.revision
	for _, name := range []string{"Zoe of the North", ""} { // said before, and not known
		if again, err := n.assert(zoe, name); err != nil || again.GetParty().GetDisplayName() != "Zoe of the North" {
			t.Errorf("again: %v, %v", again, err)
		}
	}
	if n.cache.revision != revision {
		t.Error("what was known already was written again")
	}
	if err := n.SetPhone(t.Context(), p.GetSubscriber(), "tel:+12025550101"); err != nil {
		t.Fatal(err)
	}
	renamed, err := n.assert(zoe, "Zoe of the South")
	if err != nil || renamed.GetParty().GetDisplayName() != "Zoe of the South" ||
		!slices.Equal(renamed.GetParty().GetAddresses(), party.GetAddresses()) {
		t.Errorf("renamed: %v, %v", renamed, err)
	}
	if phone := n.listed(p.GetSubscriber()).Phone; phone != "tel:+12025550101" {
		t.Errorf("a new name changed the phone to %q", phone)
	}
	n.stop()

	n = startMatrix(t, broker, matrixConfig()) // seeding leaves her
	if l := n.listed(p.GetSubscriber()); l.Source != "matrix" || l.DisplayName != "Zoe of the South" {
		t.Errorf("after a start: %+v", l)
	}
	n.stop()

	cfg := matrixConfig()
	cfg.MatrixServers = cfg.MatrixServers[1:]
	n = startMatrix(t, broker, cfg) // her server is no longer listed
	_, err = n.assert(zoe, "Zoe")
	wantCode(t, err, callv1.Code_CODE_FORBIDDEN)
	for _, a := range party.GetAddresses() {
		_, err := n.resolve(a)
		wantCode(t, err, callv1.Code_CODE_NOT_FOUND)
	}
	if len(n.List()) != 4 {
		t.Errorf("subscribers: %v", n.List())
	}
}

// schemes lists those of a party's addresses.
func schemes(p *callv1.Party) string {
	var out []string
	for _, a := range p.GetAddresses() {
		scheme, _, _ := strings.Cut(a, ":")
		out = append(out, scheme)
	}
	return strings.Join(out, " ")
}

func (n *node) listed(id string) Listed {
	n.t.Helper()
	for _, l := range n.List() {
		if l.ID == id {
			return l
		}
	}
	n.t.Errorf("no subscriber %q in %v", id, n.List())
	return Listed{}
}

func TestMatrixIDs(t *testing.T) {
	tests := map[string]string{
		"@zoe:example.org":                       "mx.zoe.",
		"@Zoe:example.org":                       "mx.zoe.",
		"@z/o=e+1:example.org":                   "mx.z-o-e-1.",
		"@" + strings.Repeat("z", 200) + ":a.b":  "mx." + strings.Repeat("z", 32) + ".",
		"@" + strings.Repeat("z", 201) + ":a.b":  "mx." + strings.Repeat("z", 32) + ".",
		"@zoe:matrix.example:8448":               "mx.zoe.",
		"@_tandem_x:[2001:db8::1]:8448":          "mx._tandem_x.",
		"@0123456789.abcdefghijklmnop-_.:a.test": "mx.0123456789.abcdefghijklmnop-_..",
	}
	seen := map[string]string{}
	for mxid, prefix := range tests {
		a, err := schema.ParseDialled(mxid, "")
		if err != nil {
			t.Fatal(err)
		}
		id := matrixID(a)
		if !strings.HasPrefix(id, prefix) || !validName(id) || id != matrixID(a) {
			t.Errorf("%s has the id %q, want %s…", mxid, id, prefix)
		}
		if other, taken := seen[id]; taken {
			t.Errorf("%s and %s share the id %s", mxid, other, id)
		}
		seen[id] = mxid
	}
}

// Many sign-ins at once, of the same users, at two nodes: one record each, and
// everybody is told the same.
func TestMatrixUsersAtTwoNodes(t *testing.T) {
	broker := membus.NewServer()
	cfg := matrixConfig()
	nodes := []*node{startMatrix(t, broker, cfg), startMatrix(t, broker, cfg)}
	const users, each = 8, 6
	var wg sync.WaitGroup
	got := make([]string, users*each)
	for i := range got {
		wg.Go(func() {
			p, err := nodes[i%2].assert(fmt.Sprintf("matrix:u/user%d:example.org", i%users), "The Same")
			for schema.CodeOf(err) == callv1.Code_CODE_RETRY { // so many at once, others were always faster
				p, err = nodes[i%2].assert(fmt.Sprintf("matrix:u/user%d:example.org", i%users), "The Same")
			}
			if err != nil {
				t.Errorf("sign-in %d: %v", i, err)
			}
			got[i] = p.GetSubscriber() + " " + strings.Join(p.GetParty().GetAddresses(), " ")
		})
	}
	wg.Wait()
	for i := range got {
		if got[i] != got[i%users] {
			t.Errorf("user %d is %q and %q", i%users, got[i], got[i%users])
		}
	}
	for _, n := range nodes {
		if err := n.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if l := n.List(); len(l) != 4+users || n.cache.matrix != users {
			t.Errorf("%d subscribers, %d of them Matrix users", len(l), n.cache.matrix)
		}
	}
}

func TestLimitOfMatrixUsers(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"of their own": func(c *Config) { c.MaxMatrixUsers = 2 },
		"of all":       func(c *Config) { c.MaxSubscribers = 6 },
	} {
		t.Run(name, func(t *testing.T) {
			cfg := matrixConfig()
			change(&cfg)
			n := startMatrix(t, membus.NewServer(), cfg)
			for i := range 2 {
				if _, err := n.assert(fmt.Sprintf("matrix:u/user%d:example.org", i), ""); err != nil {
					t.Fatal(err)
				}
			}
			_, err := n.assert(zoe, "Zoe")
			wantCode(t, err, callv1.Code_CODE_OVERLOAD)
			for _, known := range []string{"matrix:u/user0:example.org", "matrix:u/carol:example.org"} {
				if _, err := n.assert(known, "A New Name"); err != nil {
					t.Errorf("%s: %v", known, err)
				}
			}
			if err := n.Remove(t.Context(), n.mustAssert("matrix:u/user1:example.org").GetSubscriber()); err != nil {
				t.Fatal(err)
			}
			if _, err := n.assert(zoe, "Zoe"); err != nil {
				t.Errorf("with room again: %v", err)
			}
		})
	}
}

func (n *node) mustAssert(address string) *callv1.Principal {
	n.t.Helper()
	p, err := n.assert(address, "")
	if err != nil {
		n.t.Fatal(err)
	}
	return p
}

// Who is given a Matrix user's address by other means has it, and the record that
// was made for the user is gone with its aliases.
func TestConfiguredTakesTheAddress(t *testing.T) {
	ways := map[string]func(t *testing.T, broker *membus.Server, n *node) *node{
		"the configuration": func(t *testing.T, broker *membus.Server, n *node) *node {
			n.stop()
			cfg := matrixConfig()
			cfg.Subscribers = append(cfg.Subscribers, Subscriber{ID: "zoe", Addresses: []string{"tel:+12025550109", zoe}})
			return startMatrix(t, broker, cfg)
		},
		"the operator": func(t *testing.T, _ *membus.Server, n *node) *node {
			if err := n.Put(t.Context(), Subscriber{ID: "zoe", Addresses: []string{"tel:+12025550109", zoe}}); err != nil {
				t.Fatal(err)
			}
			return n
		},
	}
	for name, configure := range ways {
		t.Run(name, func(t *testing.T) {
			broker := membus.NewServer()
			n := startMatrix(t, broker, matrixConfig())
			own := n.mustAssert(zoe)
			n = configure(t, broker, n)
			if p := n.mustAssert(zoe); p.GetSubscriber() != "zoe" || p.GetParty().GetAddresses()[0] != zoe {
				t.Errorf("the address names %v", p)
			}
			for _, a := range own.GetParty().GetAddresses()[1:] {
				_, err := n.resolve(a)
				wantCode(t, err, callv1.Code_CODE_NOT_FOUND)
			}
			if l := n.List(); len(l) != 5 || n.cache.matrix != 0 {
				t.Errorf("subscribers: %v", l)
			}
		})
	}
}

// A subscriber that is refused for one of its addresses takes none.
func TestRefusedPutLeavesMatrixUsers(t *testing.T) {
	n := startMatrix(t, membus.NewServer(), matrixConfig())
	own := n.mustAssert(zoe)
	wantCode(t, n.Put(t.Context(), Subscriber{ID: "erin", Addresses: []string{"tel:+12025550101", zoe}}), callv1.Code_CODE_CONFLICT)
	if again := n.mustAssert(zoe); again.GetSubscriber() != own.GetSubscriber() {
		t.Errorf("now %v", again)
	}
}

// A record whose writer died before it had claimed the address is finished by the
// next sign-in.
func TestHalfMadeMatrixUser(t *testing.T) {
	n := startMatrix(t, membus.NewServer(), matrixConfig())
	first := n.mustAssert(zoe)
	for _, a := range first.GetParty().GetAddresses() {
		if err := n.store.kv.Delete(t.Context(), addrKey(a)); err != nil {
			t.Fatal(err)
		}
	}
	if err := n.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := n.mustAssert(zoe)
	if again.GetSubscriber() != first.GetSubscriber() || !slices.Equal(again.GetParty().GetAddresses(), first.GetParty().GetAddresses()) {
		t.Errorf("was %v, is %v", first, again)
	}
}

// The id of a Matrix user that the operator has given to somebody else is that
// one's, and the user is refused.
func TestMatrixIDOfAnother(t *testing.T) {
	n := startMatrix(t, membus.NewServer(), matrixConfig())
	a, err := schema.ParseAddress(zoe)
	if err != nil {
		t.Fatal(err)
	}
	if err := n.Put(t.Context(), Subscriber{ID: matrixID(a), Addresses: []string{"tel:+12025550109"}}); err != nil {
		t.Fatal(err)
	}
	_, err = n.assert(zoe, "Zoe")
	wantCode(t, err, callv1.Code_CODE_FORBIDDEN)
	if l := n.listed(matrixID(a)); l.Source != "admin" || l.DisplayName != "" {
		t.Errorf("changed: %+v", l)
	}
}
