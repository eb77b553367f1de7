package matrix

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"maunium.net/go/mautrix/id"
)

// TestADefectEndsNoProcess: an event at which the adapter panics is logged, and is not
// told again.
func TestADefectEndsNoProcess(t *testing.T) {
	x := &term{log: slog.New(slog.DiscardHandler), seen: newRecent[id.EventID](4)} // and nothing that a call needs
	in := incoming{id: "$1", room: "!r:x", sender: "@a:x", kind: typeInvite}
	if err := x.handle(t.Context(), in); err != nil {
		t.Errorf("it shall come again: %v", err)
	}
	if !x.wasSeen("$1") {
		t.Error("it would be handled again")
	}
}

// TestADefectEndsItsChoreOnly: what panics beside is logged, and ends.
func TestADefectEndsItsChoreOnly(t *testing.T) {
	var log bytes.Buffer
	x := &term{log: slog.New(slog.NewTextHandler(&log, nil))}
	x.chore(func() { panic("a defect") })
	x.work.Wait()
	if !strings.Contains(log.String(), "a defect") {
		t.Errorf("the log says %q", log.String())
	}
}
