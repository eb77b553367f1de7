package harness

import (
	"encoding/json"
	"fmt"
	"math"
	"strings"
	"testing"
	"time"
)

// Phone is a running "tandem phone".
type Phone struct {
	*Process
	t testing.TB
}

// Outcome is what a phone says at its end (--json).
type Outcome struct {
	CallID      string  `json:"call_id"`
	State       string  `json:"state"`
	Reason      string  `json:"reason"`
	SetupMS     float64 `json:"setup_ms"`
	ConnectedMS float64 `json:"connected_ms"`
	RxPackets   int     `json:"rx_packets"`
	RxToneHz    float64 `json:"rx_tone_hz"`
}

// Exit statuses of "tandem phone call".
const (
	ExitEstablished = 0
	ExitError       = 1
	ExitRefused     = 2
)

// Call starts "tandem phone call ADDRESS" with further flags.
func (x *Exchange) Call(t testing.TB, address string, flags ...string) *Phone {
	t.Helper()
	return x.phone(t, append([]string{"call", address}, flags...))
}

// Listen starts "tandem phone listen" and waits until it can be called.
func (x *Exchange) Listen(t testing.TB, flags ...string) *Phone {
	t.Helper()
	p := x.phone(t, append([]string{"listen"}, flags...))
	Eventually(t, startWithin, "phone registered", func() (bool, string) {
		return strings.Contains(p.Log(), "registered at"), p.Log()
	})
	return p
}

func (x *Exchange) phone(t testing.TB, args []string) *Phone {
	t.Helper()
	args = append([]string{"phone"}, args...)
	args = append(args, "--server", x.GRPC, "--json")
	return &Phone{Start(t, Command{Name: "tandem " + strings.Join(args[:2], " "), Path: x.binary.Path, Args: args}), t}
}

// Outcome waits for the phone to end by itself with a status and gives what it
// said about its call.
func (p *Phone) Outcome(within time.Duration, status int) Outcome {
	p.t.Helper()
	got, err := p.Exit(within)
	if err != nil {
		p.t.Fatal(err)
	}
	if got != status {
		p.t.Errorf("phone ended with status %d, want %d\n%s", got, status, p.Log())
	}
	o, err := lastObject[Outcome](p.Stdout())
	if err != nil {
		p.t.Fatalf("phone: %v in:\n%s", err, p.Stdout())
	}
	return o
}

// Heard checks that the phone heard a tone.
func (o Outcome) Heard(t testing.TB, hertz int) {
	t.Helper()
	if math.Abs(o.RxToneHz-float64(hertz)) > toneWithin*float64(hertz) || o.RxPackets == 0 {
		t.Errorf("phone heard %.1f Hz in %d packets, want %d Hz", o.RxToneHz, o.RxPackets, hertz)
	}
}

// lastObject decodes the last line that is a JSON object.
func lastObject[T any](out string) (v T, err error) {
	lines := strings.Split(strings.TrimSpace(out), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if strings.HasPrefix(lines[i], "{") {
			return v, json.Unmarshal([]byte(lines[i]), &v)
		}
	}
	return v, fmt.Errorf("no JSON object")
}
