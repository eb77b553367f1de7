//go:build goolm

package e2ee

import (
	"runtime/debug"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// guard makes a panic, of which mautrix has a few, the device's failure. It is
// deferred.
func (d *device) guard(err *error) {
	p := recover()
	if p == nil {
		return
	}
	d.log.Error("encryption panicked", "panic", p, "stack", string(debug.Stack()))
	failed := d.vault.fail(schema.Errorf(callv1.Code_CODE_INTERNAL, "encryption panicked: %v", p))
	if err != nil {
		*err = failed
	}
}
