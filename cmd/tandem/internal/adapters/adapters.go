// Package adapters is the list of the adapter kinds in this binary. Adding one
// is one line here and nothing else.
package adapters

import (
	"github.com/tandem-rtc/tandem/adapters/grpcpipe"
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/matrix"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc"
)

// All gives the adapter kinds in the order in which they start.
func All() []kit.Spec {
	return []kit.Spec{
		sylkrtc.Spec(),
		grpcpipe.Spec(),
		matrix.Spec(),
	}
}
