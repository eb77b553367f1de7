package sylkrtc

import (
	"errors"

	"github.com/tandem-rtc/tandem/adapters/kit"
)

// errDefect ends a connection on which something of ours broke.
var errDefect = errors.New("closed for a defect of ours")

// rescue runs f; a panic ends the connection that it is about.
func (p *peer) rescue(f func() error) (err error) {
	if kit.Rescue(p.a.log.With("remote", p.remote), func() { err = f() }) {
		p.cut()
		return errDefect
	}
	return err
}
