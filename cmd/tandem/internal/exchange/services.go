package exchange

import (
	"context"
	"fmt"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/services/callstate"
	"github.com/tandem-rtc/tandem/services/directory"
	"github.com/tandem-rtc/tandem/services/directory/jwt"
	"github.com/tandem-rtc/tandem/services/media"
)

func (x *Exchange) runAdmin(ctx context.Context, ready func()) error {
	x.logger("admin").Info("listening", "address", x.Address("admin"), "tls", x.cfg.Admin.TLS.On())
	ready()
	return x.admin.Serve(ctx, x.adminPort) //nolint:wrapcheck // says what it is already
}

func (x *Exchange) runDirectory(ctx context.Context, ready func()) error {
	return x.onBus(ctx, config.RoleDirectory, func(b *bus.Bus) error {
		log, counts := x.logger(config.RoleDirectory), x.metrics.Directory()
		env := directory.Env{Bus: b, Log: log, Metrics: counts}
		if issuers := x.cfg.Directory.JWT; len(issuers) > 0 {
			env.Tokens = jwt.New(issuers, jwt.Env{Log: log, KeysRead: counts.KeysRead})
		}
		s, err := directory.New(x.cfg.Directory, env)
		if err != nil {
			return err //nolint:wrapcheck // names itself
		}
		x.admin.SetDirectory(s)
		defer x.admin.SetDirectory(nil)
		return s.Run(ctx, ready) //nolint:wrapcheck // names itself
	})
}

func (x *Exchange) runMedia(ctx context.Context, ready func()) error {
	return x.onBus(ctx, config.RoleMedia, func(b *bus.Bus) error {
		s, err := media.New(x.cfg.Media, media.Env{
			Bus: b, Nodes: x.nodes(b), Log: x.logger(config.RoleMedia), Metrics: x.metrics.Media(media.Counters()...),
		})
		if err != nil {
			return err //nolint:wrapcheck // names itself
		}
		return s.Run(ctx, ready) //nolint:wrapcheck // names itself
	})
}

func (x *Exchange) runCallState(ctx context.Context, ready func()) error {
	return x.onBus(ctx, config.RoleCallState, func(b *bus.Bus) error {
		// The same holder after a restart: a node that was killed takes its share
		// up again at once. Node names are unique, and compare-and-set holds even
		// where they are not.
		holder := config.RoleCallState + "/" + x.cfg.Node
		s, err := callstate.New(x.cfg.CallState, callstate.Env{
			Bus: b, Terminals: bus.NewTerminals(b), Nodes: x.nodes(b), Leases: bus.NewLeases(b.Driver(), holder),
			Log: x.logger(config.RoleCallState), Metrics: x.metrics.CallState(),
		})
		if err != nil {
			return fmt.Errorf("callstate: %w", err)
		}
		x.callState.Store(s)
		defer x.callState.Store(nil)
		return s.Run(ctx, ready) //nolint:wrapcheck // names itself
	})
}
