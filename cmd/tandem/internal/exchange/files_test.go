package exchange

import (
	"log/slog"
	"testing"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/roles"
)

// The ports of strangers leave files for everything else.
func TestConnectionsLeaveFiles(t *testing.T) {
	for _, tt := range []struct {
		files, most int
		roles       string
	}{
		{0, 1 << 30, "all"}, {1 << 20, 1 << 30, "all"}, {20000, 17244, "all"}, {1024, 512, "all"}, {64, 98, "all"},
		{20000, 17244, "nats,sylkrtc"}, {4096, 2048, "nats,console"}, {100_000, 1 << 30, "nats,grpcpipe"},
	} {
		cfg := load(t, "roles="+tt.roles, "data_dir="+t.TempDir())
		x := &Exchange{cfg: cfg, log: slog.New(slog.DiscardHandler), status: &roles.Status{}}
		sum := func() (n int) {
			for _, a := range cfg.Adapters {
				if s, ok := a.Config.(sockets); ok && cfg.Has(a.Spec.Kind) {
					n += s.Sockets()
				}
			}
			if tt.roles == "nats,console" {
				n += cfg.Console.Sockets()
			}
			return n
		}
		before := sum()
		x.shareFiles(tt.files)
		switch got := sum(); {
		case got > tt.most, got < before && got < tt.most*9/10 && tt.files >= 1024:
			t.Errorf("%s with %d files: %d connections, want %d at most and not far below", tt.roles, tt.files, got, tt.most)
		case before <= tt.most && got != before:
			t.Errorf("%s with %d files: %d connections instead of %d", tt.roles, tt.files, got, before)
		}
	}
	if n := openFiles(); n < 0 {
		t.Errorf("%d files", n)
	}
}
