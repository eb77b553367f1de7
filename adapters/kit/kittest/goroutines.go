package kittest

import (
	"runtime"
	"strings"
	"time"
)

// goroutines gives the stacks of all goroutines by their ids.
func goroutines() map[string]string {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	out := map[string]string{}
	for _, g := range strings.Split(string(buf), "\n\n") {
		head, _, _ := strings.Cut(g, " [") // "goroutine 12"
		out[head] = g
	}
	return out
}

// leftOver waits for the goroutines that were not there before to end, and gives
// those that do not. The runtime's and the testing package's own do not count.
func leftOver(before map[string]string, patience time.Duration) []string {
	deadline := time.Now().Add(patience)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for {
		var left []string
		for id, stack := range goroutines() {
			if _, was := before[id]; !was && !ignored(stack) {
				left = append(left, stack)
			}
		}
		if left == nil {
			return nil
		}
		if now := <-tick.C; now.After(deadline) {
			return left
		}
	}
}

func ignored(stack string) bool {
	for _, s := range []string{
		"kittest.goroutines(", "testing.(*T).Run(", "testing.tRunner(", "runtime.gc", "runtime.bg",
		"created by runtime", "os/signal.", "created by testing.", "runtime.runfinq", "runtime.runCleanups",
	} {
		if strings.Contains(stack, s) {
			return true
		}
	}
	return false
}
