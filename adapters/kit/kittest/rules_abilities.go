package kittest

// abilityRules: what the harness says of its protocol.
var abilityRules = []behaviour{
	{name: "what the protocol lacks is said, with the reason", run: func(k *rig) {
		alice, t := k.signIn(Alice)
		call := k.place(alice, t, Alice, Bob).answered().call
		for a, why := range k.h.Protocol.Cannot {
			if why == "" {
				k.t.Errorf("Protocol.Cannot gives no reason for %q", a)
			}
		}
		for _, can := range abilities() {
			if _, cannot := k.h.Protocol.Cannot[can.Ability]; !cannot && !can.of(alice, call) {
				k.t.Errorf("neither Protocol.Cannot nor the terminal (%T, %T) has the ability %q", alice, call, can.Ability)
			}
		}
		f := t.GetFeatures()
		for _, has := range []struct {
			Ability
			feature bool
			name    string
		}{{ShowsCalls, f.GetShowsCalls(), "shows_calls"}, {TakesReoffers, f.GetRenegotiates(), "renegotiates"}} {
			if has.feature != k.can(has.Ability) && (!has.feature || k.h.Protocol.ByCall[has.Ability] == "") {
				k.t.Errorf("its terminals' feature %s is %v; the protocol %q: %v", has.name, has.feature, has.Ability, k.can(has.Ability))
			}
		}
	}},
}

// ability is one that a terminal has by an interface.
type ability struct {
	Ability
	of func(Client, Call) bool
}

// abilities lists those.
func abilities() []ability {
	return []ability{
		{ShowsCalls, client[StatusHearer]},
		{Pulls, client[Puller]},
		{Headers, func(c Client, k Call) bool { return client[HeaderCaller](c, k) && call[HeaderBearer](c, k) }},
		{Pushes, call[Pusher]},
		{Reoffers, call[Reofferer]},
		{TakesReoffers, call[ReofferTaker]},
		{RefusesReoffers, call[ReofferRefuser]},
		{EarlyMedia, call[EarlyRinger]},
		{HearsEarlyMedia, call[EarlyHearer]},
	}
}

func client[I any](c Client, _ Call) bool { _, ok := c.(I); return ok }

func call[I any](_ Client, k Call) bool { _, ok := k.(I); return ok }
