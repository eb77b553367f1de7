package kit

import (
	"fmt"
	"log/slog"
	"runtime/debug"
)

// Rescue runs f and reports whether it panicked, which is logged as an error with its
// stack. For what is about one client or call: a defect that shows there is to end
// that, and not the process with everybody's calls.
func Rescue(log *slog.Logger, f func()) (panicked bool) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			panicked = true
		}
	}()
	f()
	return false
}
