package membus_test

import (
	"testing"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/bustest"
	"github.com/tandem-rtc/tandem/bus/membus"
)

func TestSuite(t *testing.T) {
	bustest.Run(t, func(*testing.T) (func() bus.Driver, func()) {
		s := membus.NewServer()
		return s.Connect, s.Restart
	})
}
