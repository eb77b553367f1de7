package callstate_test

import (
	"bytes"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"
)

// logLines keeps what a node logs and tells of each line.
type logLines struct {
	mu   sync.Mutex
	b    bytes.Buffer
	more chan struct{}
}

func (l *logLines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
	return l.b.Write(p)
}

// await waits until the log has a line with a text and gives the log.
func (l *logLines) await(t *testing.T, text string) string {
	t.Helper()
	late := time.After(patience)
	for {
		l.mu.Lock()
		log := l.b.String()
		l.mu.Unlock()
		if strings.Contains(log, text) {
			return log
		}
		select {
		case <-l.more:
		case <-late:
			t.Fatalf("no %q in\n%s", text, log)
		}
	}
}

// TestAnOutageIsAFewLines: a bus that is away and comes back is told by a line for
// each thing that happened, not for each partition.
func TestAnOutageIsAFewLines(t *testing.T) {
	lines := &logLines{more: make(chan struct{}, 1)}
	r := newRig(t)
	r.cfg.LeaseTTL = time.Second
	r.log = slog.New(slog.NewTextHandler(lines, nil))
	r.startCallState(nil)
	lines.await(t, "taken=64")
	r.server.Stop()
	lines.await(t, `msg="partitions lost"`)
	lines.await(t, `msg="partitions not taken" not_taken=64`)
	if told := strings.Join(r.service.Problems(), " "); !strings.Contains(told, "partitions cannot be taken") {
		t.Errorf("problems: %q", told)
	}
	before := len(lines.await(t, ""))
	r.server.Start()
	log := lines.await(t, "")
	for !strings.Contains(log[before:], `msg="partitions taken"`) {
		wait(t, lines.more, "partitions taken again")
		log = lines.await(t, "")
	}
	// Leases do not all run out before the same look at them.
	if n := strings.Count(log, `"partitions lost"`); n > 4 {
		t.Errorf("%d lines tell that partitions are lost:\n%s", n, log)
	}
}
