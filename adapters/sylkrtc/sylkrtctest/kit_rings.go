package sylkrtctest

import (
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/schema"
)

// NewRings makes what lets a test say when a called client alerts.
func NewRings() *kittest.Alerts { return kittest.NewAlerts(schema.CompactUUID) }
