package exchange

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/demo"
	"github.com/tandem-rtc/tandem/services/console"
)

// sylk gives the sylkRTC adapter's configuration, nil if the process does not
// have that role.
func (x *Exchange) sylk() *sylkrtc.Config {
	for _, a := range x.cfg.Adapters {
		if c, ok := a.Config.(*sylkrtc.Config); ok && x.cfg.Has(a.Spec.Kind) {
			return c
		}
	}
	return nil
}

// pageOnAdapter reports whether the page is on the sylkRTC adapter's port.
func (x *Exchange) pageOnAdapter() bool { return x.cfg.Has(config.RoleConsole) && x.sylk() != nil }

// page makes the page's handler.
func (x *Exchange) page() (http.Handler, error) {
	c := console.Config{Domain: x.cfg.Console.Domain, Endpoint: x.cfg.Console.Endpoint}
	if c.Domain == "" && len(x.cfg.Directory.Domains) > 0 {
		c.Domain = x.cfg.Directory.Domains[0]
	}
	if x.cfg.Demo {
		c.Echo = demo.Echo
		for _, a := range demo.Accounts() {
			c.Demo = append(c.Demo, console.Account{Account: a.Account, Password: demo.Password, Number: a.Number, Name: a.Name})
		}
	}
	return console.Handler(c) //nolint:wrapcheck // says what it is already
}

// runConsole serves the page on a port of its own.
func (x *Exchange) runConsole(ctx context.Context, ready func()) error {
	h, err := x.page()
	if err != nil {
		return err
	}
	log := x.logger(config.RoleConsole)
	l := port.Limits{
		Total: x.cfg.Console.MaxConnections, PerAddress: x.cfg.Console.PerAddress, Budget: x.cfg.Console.Budget, Log: log, Refused: x.metrics.Refused(config.RoleConsole, "connections"),
	}.Wrap(x.pagePort)
	if c := x.cfg.Console.TLS; c.On() {
		t, err := c.Server(log)
		if err != nil {
			return fmt.Errorf("console.%w", err)
		}
		t.NextProtos = []string{"h2", "http/1.1"}
		l = tls.NewListener(l, t)
	}
	h = port.NewHosts(x.cfg.Console.Hosts, l.Addr()).Wrap(h, x.metrics.Refused(config.RoleConsole, "host"))
	srv := &http.Server{
		Handler: h, WriteTimeout: time.Minute, MaxHeaderBytes: 64 << 10,
		ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelDebug),
	}
	x.cfg.Console.Timeouts.Apply(srv, x.metrics.Refused(config.RoleConsole, "silent"))
	done := make(chan error, 1)
	go func() { done <- srv.Serve(l) }()
	log.Info("listening", "address", x.Address(config.RoleConsole), "tls", x.cfg.Console.TLS.On())
	ready()
	select {
	case err := <-done:
		return fmt.Errorf("serving the page: %w", err)
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := srv.Shutdown(ending); err != nil {
		_ = srv.Close()
	}
	if err := <-done; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serving the page: %w", err)
	}
	return nil
}
