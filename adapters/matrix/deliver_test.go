package matrix

import (
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// A caller with several addresses rings where the person knows one of them.
func TestCallerAt(t *testing.T) {
	const person, bot = id.UserID("@alice:h"), id.UserID("@tandem:h")
	const number, account = id.UserID("@tandem_12025550102:h"), id.UserID("@tandem_bob=40demo.test:h")
	for name, tt := range map[string]struct {
		joined  []id.UserID
		invited []id.UserID
		caller  []string
		want    id.UserID
	}{
		"no room":                  {caller: []string{"sip:bob@demo.test", "tel:+12025550102"}, want: account},
		"the preferred address's":  {joined: []id.UserID{account, number}, caller: []string{"sip:bob@demo.test", "tel:+12025550102"}, want: account},
		"the other address's":      {joined: []id.UserID{number}, caller: []string{"sip:bob@demo.test", "tel:+12025550102"}, want: number},
		"not joined yet":           {invited: []id.UserID{number}, caller: []string{"sip:bob@demo.test", "tel:+12025550102"}, want: account},
		"a Matrix user":            {joined: []id.UserID{number}, caller: []string{"matrix:u/bob:h", "tel:+12025550102"}, want: number},
		"a Matrix user and no one": {caller: []string{"matrix:u/bob:h"}, want: bot},
		"nobody":                   {want: bot},
	} {
		t.Run(name, func(t *testing.T) {
			a := &Adapter{cfg: &Config{ServerName: "h"}, bot: bot, hs: &api{prefix: "tandem_"}}
			m := &term{a: a, pairs: map[pair]*room{}}
			for _, u := range tt.joined {
				m.pairs[pair{person, u}] = &room{User: person, Own: u, Joined: true}
			}
			for _, u := range tt.invited {
				m.pairs[pair{person, u}] = &room{User: person, Own: u}
			}
			if got := m.callerAt(person, &callv1.Party{Addresses: tt.caller}); got != tt.want {
				t.Errorf("rings as %s, want %s", got, tt.want)
			}
		})
	}
}

func TestFormerLegs(t *testing.T) {
	const person = id.UserID("@alice:h")
	key := schema.NewIDKey([]byte("a secret for tests"))
	callID, other := key.NewCallID("bob", "test"), key.NewCallID("bob", "test")
	leg := func(of string, ordinal uint32, who id.UserID) *call {
		return &call{Leg: schema.LegID(of, ordinal), User: who}
	}
	former := leg(callID, 2, person)
	m := &term{calls: map[string]*call{}}
	for _, k := range []*call{former, leg(callID, 4, person), leg(callID, 3, "@bob:h"), leg(other, 2, person)} {
		m.calls[k.Leg] = k
	}
	got := m.former(schema.LegID(callID, 4), person)
	if len(got) != 1 || got[0] != former {
		t.Errorf("former legs: %v", got)
	}
}
