package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/exchange"
)

type serveCmd struct {
	sourceFlags
	Roles     string `placeholder:"ROLES" help:"Roles of this process, separated by commas: all (the default), or some of nats, directory, callstate, media, sylkrtc, grpcpipe, matrix, console."`
	NATS      string `name:"nats" placeholder:"URL" help:"Use these NATS servers instead of the one inside."`
	Node      string `placeholder:"NAME" help:"Name of this node, unique in a cluster."`
	DataDir   string `placeholder:"DIR" help:"Where data is kept."`
	Ephemeral bool   `help:"Keep data in a temporary directory that is removed at the end."`
	LogLevel  string `placeholder:"LEVEL" help:"debug, info, warn or error."`
	Quiet     bool   `short:"q" help:"Do not print where to go."`
}

// Run implements the command.
func (c *serveCmd) Run(ctx context.Context) error {
	var extra []string
	for key, value := range map[string]string{
		"roles": c.Roles, "nats.url": c.NATS, "node": c.Node, "data_dir": c.DataDir, "log.level": c.LogLevel,
	} {
		if value != "" {
			extra = append(extra, key+"="+value)
		}
	}
	cfg, err := c.load(extra...)
	if err != nil {
		return fmt.Errorf("the configuration cannot be used:\n%w", err)
	}
	log := newLogger(os.Stderr, cfg.Log)
	if os.Getenv("GOGC") == "" {
		defer tuneGC(setGC)()
	}
	log.Info("tandem starts", "version", version(), "node", cfg.Node, "roles", strings.Join(cfg.Roles, ","))
	x, err := exchange.New(cfg, exchange.Options{Ephemeral: c.Ephemeral, Version: version(), Log: log})
	if err != nil {
		return err //nolint:wrapcheck // says what it is already
	}
	defer x.Close()
	defer passOverHangups(log)()
	stopping := context.AfterFunc(ctx, func() { log.Info("tandem ends; another signal ends it at once") })
	defer stopping()
	return x.Run(ctx, func() { //nolint:wrapcheck // names the role already
		log.Info("tandem is ready")
		if !c.Quiet {
			banner(os.Stdout, os.Args[0], cfg, x.Address)
		}
	})
}

// passOverHangups has SIGHUP do nothing until the func returned is called: other
// servers read their files anew on it, and whoever sends it to this one by habit is
// not to end all calls.
func passOverHangups(log *slog.Logger) (stop func()) {
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range hangups {
			log.Info("SIGHUP does nothing: certificates are read when they change, the configuration at the start")
		}
	}()
	return func() {
		signal.Stop(hangups)
		close(hangups)
		<-done
	}
}

// newLogger makes the process's logger.
func newLogger(w io.Writer, c config.Log) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(c.Level)) // validated: one of the four
	opts := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}
