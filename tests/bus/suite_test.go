// Package bus_test runs the bus's own suite on NATS, embedded and external, and
// measures it.
package bus_test

import (
	"testing"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/bustest"
)

func TestSuite(t *testing.T) {
	for name, start := range brokers() {
		t.Run(name, func(t *testing.T) {
			bustest.Run(t, func(t *testing.T) (func() bus.Driver, func()) {
				b := start(t)
				return drivers(connector(t, b)), b.restart
			})
		})
	}
}
