package exchange

import (
	"context"
	"log/slog"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe"
	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/roles"
)

// lines takes what is logged down.
type lines struct {
	slog.Handler
	text strings.Builder
}

func (l *lines) Enabled(context.Context, slog.Level) bool { return true }

func (l *lines) Handle(_ context.Context, r slog.Record) error {
	r.Attrs(func(a slog.Attr) bool { l.text.WriteString(a.String() + " "); return true })
	return nil
}

// The ports of strangers leave files for everything else, and each may have all that
// the others do not use.
func TestConnectionsLeaveFiles(t *testing.T) {
	for _, tt := range []struct {
		files       int
		roles, want string
	}{
		{0, "all", ""}, {1 << 20, "all", ""},
		{20000, "all", "files=20000 connections=17244 configured=45064 "},
		{1024, "all", "files=1024 connections=512 configured=45064 "},
		{20000, "nats,sylkrtc", "files=20000 connections=17244 configured=25064 "},
		{4096, "nats,console", "files=4096 connections=2048 configured=4096 "},
		{100_000, "nats,grpcpipe", ""},
	} {
		cfg, log := load(t, "roles="+tt.roles, "data_dir="+t.TempDir()), &lines{}
		x := &Exchange{cfg: cfg, log: slog.New(log), status: &roles.Status{}}
		x.shareFiles(tt.files)
		if got := log.text.String(); got != tt.want {
			t.Errorf("%s with %d files: %q, want %q", tt.roles, tt.files, got, tt.want)
		}
		budgets := map[*port.Budget]bool{}
		for _, a := range cfg.Adapters {
			switch c := a.Config.(type) {
			case *sylkrtc.Config:
				budgets[c.Budget] = budgets[c.Budget] || cfg.Has(a.Spec.Kind)
			case *grpcpipe.Config:
				budgets[c.Budget] = budgets[c.Budget] || cfg.Has(a.Spec.Kind)
			}
		}
		if limited := tt.want != ""; tt.roles == "all" && (len(budgets) != 1 || budgets[nil] == limited) {
			t.Errorf("with %d files: the ports share %v", tt.files, budgets)
		}
	}
	if n := openFiles(); n < 0 {
		t.Errorf("%d files", n)
	}
}
