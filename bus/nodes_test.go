package bus

import (
	"slices"
	"testing"
)

// TestANodeThatCameAndWentUnseen is told of, once the view is full: whatever was
// said of it meanwhile may count on its end.
func TestANodeThatCameAndWentUnseen(t *testing.T) {
	var heard []string
	v := &nodeView{alive: map[string]*liveNode{}, f: func(n Node, up bool) {
		word := " down"
		if up {
			word = " up"
		}
		heard = append(heard, n.Kind+"/"+n.Node+"/"+n.Instance+word)
	}}
	for _, e := range []Entry{
		{Key: "sip.n0", Revision: 1, Deleted: true}, // before the first full view: of old
		{Key: "sip.n1", Revision: 2, Value: []byte(`{"kind":"sip","node":"n1","instance":"a"}`)},
		{},
		{Key: "sip.n2", Revision: 3, Deleted: true},
		{Key: "sip.n1", Revision: 4, Deleted: true},
		{Key: "sip.n1", Deleted: true}, // lost with the bus
		{Key: "odd", Revision: 5, Deleted: true},
	} {
		v.take(e)
	}
	if want := []string{"sip/n1/a up", "sip/n2/ down", "sip/n1/a down"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
}
