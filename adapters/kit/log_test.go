package kit

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
)

func TestLinesAboutLegsNameTheirCall(t *testing.T) {
	var b bytes.Buffer
	log := slog.New(callNamer{Handler: slog.NewTextHandler(&b, nil)})
	call := schema.NewIDKey([]byte("a secret of a test")).CallID("a", "b", "c")
	leg := schema.LegID(call, 2)
	for _, say := range []func(){
		func() { log.Info("x", "leg", leg) },
		func() { log.With("leg", leg).Info("x", "error", "y") },
		func() { log.With("a", 1).WithGroup("g").Info("x", "leg", leg) },
	} {
		b.Reset()
		say()
		if !strings.Contains(b.String(), "call="+call) || strings.Count(b.String(), "\n") != 1 {
			t.Errorf("%s", b.String())
		}
	}
	for _, say := range []func(){
		func() { log.Info("x", "leg", leg, "call", "other") },
		func() { log.With("call", "other").Info("x", "leg", leg) },
		func() { log.Info("x", "leg", "none of ours") },
		func() { log.Info("x") },
	} {
		b.Reset()
		say()
		if strings.Contains(b.String(), call+" ") || strings.Count(b.String(), "call=") > 1 {
			t.Errorf("%s", b.String())
		}
	}
}
