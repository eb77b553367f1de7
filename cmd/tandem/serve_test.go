package main

import (
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"
)

// said is a log whose lines a test waits for.
type said chan string

func (s said) Write(line []byte) (int, error) {
	s <- string(line)
	return len(line), nil
}

// SIGHUP, which ends a process by default, leaves the exchange as it is.
func TestHangupIsPassedOver(t *testing.T) {
	lines := make(said, 4)
	stop := passOverHangups(slog.New(slog.NewTextHandler(lines, nil)))
	defer stop()
	for range 2 {
		if err := syscall.Kill(os.Getpid(), syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
		select {
		case line := <-lines:
			if !strings.Contains(line, "SIGHUP does nothing") {
				t.Errorf("%q", line)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("not seen")
		}
	}
}
