package kittest

// RunT runs the whole kit against an adapter on any T.
func RunT(t T, h Harness) {
	t.Helper()
	if h.Node == nil {
		t.Fatalf("kittest: the harness has no Node")
	}
}
