package sylkrtc

import (
	"errors"
	"fmt"
	"runtime/debug"
)

// errDefect ends a connection on which something of ours broke.
var errDefect = errors.New("closed for a defect of ours")

// rescue runs f. A panic ends the connection that it is about, and not the process
// with everybody's calls.
func (p *peer) rescue(f func() error) (err error) {
	defer func() {
		if r := recover(); r != nil {
			p.a.log.Error("panic in a connection", "remote", p.remote, "panic", fmt.Sprint(r), "stack", string(debug.Stack()))
			p.cut()
			err = errDefect
		}
	}()
	return f()
}
