package logs

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestFloodOfLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		dropped := 0
		log := slog.New(Limit(slog.NewTextHandler(&out, nil), 5, func() { dropped++ })).With("role", "test")
		lines := func(of string) int {
			defer out.Reset()
			return strings.Count(out.String(), of)
		}
		flood := func() {
			for i := range 1000 {
				log.Info("sign-in refused", "account", i)
			}
		}
		flood()
		if n := lines("sign-in refused"); n != 50 || dropped != 950 {
			t.Errorf("%d lines of a flood are written, %d counted as left out", n, dropped)
		}
		log.Info("registered")
		log.Error("sign-in refused")
		for i := range 100 {
			log.Info("call answered", "call", i)
			log.With("call", i).Info("leg connected")
		}
		if n := lines("\n"); n != 202 {
			t.Errorf("of another wording, errors and calls: %d lines", n)
		}
		time.Sleep(2 * time.Second)
		flood()
		text := out.String()
		if n := lines("sign-in refused"); n != 10 || strings.Count(text, "left_out=") != 1 || !strings.Contains(text, "account=0 left_out=950\n") {
			t.Errorf("two seconds later, %d lines:\n%s", n, text)
		}
		time.Sleep(time.Hour)
		flood()
		if n := lines("sign-in refused"); n != 50 {
			t.Errorf("an hour later: %d lines", n)
		}
	})
}

func TestNoLimit(t *testing.T) {
	var out bytes.Buffer
	h := slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelWarn})
	if Limit(h, 0, nil) != slog.Handler(h) {
		t.Error("a rate of 0 limits")
	}
	limited := Limit(h, 1, func() { t.Error("a line is left out") })
	if limited.Enabled(context.Background(), slog.LevelInfo) {
		t.Error("a level that is off is on")
	}
	log := slog.New(limited.WithGroup("g"))
	for i := range 2 * maxWordings { // made of what comes: not to grow without end
		log.Warn(fmt.Sprint("wording ", i), "n", i)
	}
	if n := strings.Count(out.String(), "\n"); n != 2*maxWordings || !strings.Contains(out.String(), "g.n=5") {
		t.Errorf("%d lines", n)
	}
}
