package kittest

// behaviour is one sentence of the contract, and what shows that it holds.
type behaviour struct {
	name  string
	needs []Ability
	run   func(k *rig)
}

// RunT runs the whole kit against an adapter on any T. The goroutines that run
// when it is called are taken to be others'; it is not for parallel tests.
func RunT(t T, h Harness) {
	t.Helper()
	if h.Node == nil {
		t.Fatalf("kittest: the harness has no Node")
	}
	if h.Patience <= 0 {
		h.Patience = defaultPatience
	}
	t.Run("faults", func(t T) {
		for _, list := range [][]behaviour{abilityRules, commandRules, eventRules, endRules, withinRules, statusRules, peerRules, nodeRules} {
			for _, b := range list {
				t.Run(b.name, func(t T) { b.check(t, h, (*rig).scripted) })
			}
		}
	})
	t.Run("calls", func(t T) {
		for _, list := range [][]behaviour{callRules, movedRules} {
			for _, b := range list {
				t.Run(b.name, func(t T) { b.check(t, h, (*rig).exchange) })
			}
		}
	})
}

// check runs one behaviour on a node of its own.
func (b behaviour) check(t T, h Harness, start func(*rig) *rig) {
	t.Helper()
	for _, a := range b.needs {
		if why, cannot := h.Protocol.Cannot[a]; cannot {
			t.Logf("not said by this protocol (%s): %s", a, why)
			return
		}
	}
	noneLeft(t, h.Patience/2)
	b.run(start(newRig(t, h)))
}
