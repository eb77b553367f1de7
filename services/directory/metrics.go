package directory

// Metrics takes what the directory counts. Methods must not block.
type Metrics interface {
	// SignIn counts a sign-in by the adapter kind that asked, the proof ("ha1",
	// "token", "jwt", "asserted", "none") and the outcome ("ok" or a code).
	SignIn(kind, proof, outcome string)
	// Wake counts a device by what became of waking it: "sent", "repeated" (was
	// sent already), "failed", "dropped" (no room), "gone" (the hook said so).
	Wake(outcome string, devices int)
	// Refused counts a question that found no room, by who asks such: "strangers"
	// (sign-ins) or "calls".
	Refused(of string)
}

type noMetrics struct{}

func (noMetrics) SignIn(string, string, string) {}
func (noMetrics) Wake(string, int)              {}
func (noMetrics) Refused(string)                {}
