package bus

import (
	"context"
	"time"
)

// Alarm tells one waiting goroutine of the end of a context, without what Done of
// a context of WithTimeout costs. It is for drivers, in whose waits a request
// spends its time. What it does not hear is such a context being canceled itself,
// which is done by who waits, afterwards.
type Alarm struct {
	// Ended and Late are channels to wait for, either may be nil. When one is ready,
	// the context has ended or is about to: AlarmError says with what.
	Ended <-chan struct{}
	Late  <-chan time.Time
	timer *time.Timer
}

// NewAlarm sets an alarm; Stop must follow.
func NewAlarm(ctx context.Context) Alarm {
	if l, ok := ctx.(lending); ok {
		ctx = l.Context
	}
	c, ok := ctx.(*lazyContext)
	if !ok {
		return Alarm{Ended: ctx.Done()}
	}
	at := c.at
	for ok { // a lazyContext never ends later than its parent
		ctx = c.parent
		c, ok = ctx.(*lazyContext)
	}
	t := time.NewTimer(time.Until(at))
	return Alarm{Ended: ctx.Done(), Late: t.C, timer: t}
}

// Stop ends an alarm.
func (a Alarm) Stop() {
	if a.timer != nil {
		a.timer.Stop()
	}
}

// AlarmError is ContextError for a context whose alarm went off, perhaps a moment
// before its own clock says so.
func AlarmError(ctx context.Context) error {
	if ctx.Err() == nil {
		return errDeadline
	}
	return ContextError(ctx)
}
