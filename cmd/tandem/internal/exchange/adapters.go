package exchange

import (
	"context"
	"fmt"
	"net"
	"reflect"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
)

// startWithin is how long an adapter waits for what call state makes: processes
// of a cluster start in any order.
const startWithin = 5 * time.Minute

// runAdapter runs an adapter kind over a connection of its own.
func (x *Exchange) runAdapter(a config.Adapter) func(ctx context.Context, ready func()) error {
	return func(ctx context.Context, ready func()) error {
		return x.onBus(ctx, a.Spec.Kind, func(b *bus.Bus) error {
			return kit.Run(ctx, a.Spec, a.Config, kit.Env{ //nolint:wrapcheck // names itself
				Bus: b, Terminals: bus.NewTerminals(b), Nodes: x.nodes(b), Key: x.key,
				Log: x.log, Recorder: x.metrics.Adapter(a.Spec.Kind),
				Limits: kit.Limits{StartTimeout: startWithin},
			}, ready)
		})
	}
}

// openAdapterPorts binds the adapters' ports, those in a field Listen, so that a
// port that is taken is told before anything starts, and what port 0 came to
// be is known. A configuration with a field Listener beside it takes over what
// was bound.
func (x *Exchange) openAdapterPorts() error {
	for _, a := range x.cfg.Adapters {
		if !x.cfg.Has(a.Spec.Kind) {
			continue
		}
		address, listener := portFields(a.Config)
		if !address.IsValid() {
			continue
		}
		if listener.IsValid() && !listener.IsNil() {
			continue
		}
		l, err := x.listen(a.Spec.Kind, address.String())
		if err != nil {
			return err
		}
		if listener.IsValid() {
			listener.Set(reflect.ValueOf(l))
			continue
		}
		// It binds by itself: it gets the port that was found free.
		address.SetString(l.Addr().String())
		if err := l.Close(); err != nil {
			return fmt.Errorf("%s.listen: %w", a.Spec.Kind, err)
		}
	}
	return nil
}

func (x *Exchange) closeAdapterPorts() {
	for _, a := range x.cfg.Adapters {
		if _, listener := portFields(a.Config); listener.IsValid() && !listener.IsNil() {
			if l, ok := listener.Interface().(net.Listener); ok {
				_ = l.Close() // closed already if its adapter ran
			}
			listener.SetZero()
		}
	}
}

// portFields gives an adapter's fields Listen and Listener; not valid if it has
// none.
func portFields(c kit.Config) (address, listener reflect.Value) {
	v := reflect.ValueOf(c).Elem()
	if f := v.FieldByName("Listen"); f.IsValid() && f.Kind() == reflect.String {
		address = f
	}
	if f := v.FieldByName("Listener"); f.IsValid() && f.Type() == reflect.TypeFor[net.Listener]() {
		listener = f
	}
	return address, listener
}
