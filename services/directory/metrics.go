package directory

// Metrics takes what the directory counts. Methods must not block.
type Metrics interface {
	// SignIn counts a sign-in by the adapter kind that asked, the proof ("ha1",
	// "token", "jwt", "asserted", "none") and the outcome ("ok" or a code).
	SignIn(kind, proof, outcome string)
	// Wake counts a device by what became of waking it: "sent", "repeated" (was
	// sent already), "failed", "dropped" (no room), "gone" (the hook said so).
	Wake(outcome string, devices int)
}

type noMetrics struct{}

func (noMetrics) SignIn(string, string, string) {}
func (noMetrics) Wake(string, int)              {}
