package bus_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

// TestWithTimeoutBehavesLikeTheStandardOne: whether somebody waits or not.
func TestWithTimeoutBehavesLikeTheStandardOne(t *testing.T) {
	type key struct{}
	base := context.WithValue(context.Background(), key{}, "v")
	waits := map[string]func(context.Context){"waiting": func(c context.Context) { c.Done() }, "not waiting": func(context.Context) {}}
	for name, wait := range waits {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := bus.WithTimeout(base, time.Second)
				defer cancel()
				wait(ctx)
				child, end := context.WithCancel(ctx)
				defer end()
				if ctx.Err() != nil || child.Err() != nil || ctx.Value(key{}) != "v" {
					t.Errorf("at first: %v %v", ctx.Err(), child.Err())
				}
				time.Sleep(time.Second)
				synctest.Wait()
				if !errors.Is(ctx.Err(), context.DeadlineExceeded) || !errors.Is(child.Err(), context.DeadlineExceeded) {
					t.Errorf("after the deadline: %v %v", ctx.Err(), child.Err())
				}
				<-ctx.Done()

				ctx, cancel = bus.WithTimeout(base, time.Second)
				wait(ctx)
				cancel()
				if !errors.Is(ctx.Err(), context.Canceled) {
					t.Errorf("canceled: %v", ctx.Err())
				}
				<-ctx.Done()

				parent, stop := context.WithCancel(base)
				ctx, cancel = bus.WithTimeout(parent, time.Second)
				defer cancel()
				wait(ctx)
				stop()
				synctest.Wait()
				if !errors.Is(ctx.Err(), context.Canceled) {
					t.Errorf("with its parent: %v", ctx.Err())
				}
				<-ctx.Done()

				outer, cancelOuter := bus.WithTimeout(base, time.Second)
				defer cancelOuter()
				inner, cancelInner := bus.WithTimeout(outer, time.Hour)
				defer cancelInner()
				wait(inner)
				if at, _ := inner.Deadline(); time.Until(at) > time.Second {
					t.Errorf("a parent's deadline is %v away", time.Until(at))
				}
				<-inner.Done()
			})
		})
	}
}

// TestAnAlarmGoesOffWithItsContext: at its deadline, or with what it was made of.
func TestAnAlarmGoesOffWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		parent, stop := context.WithCancel(context.Background())
		within := func() (context.Context, func()) {
			outer, cancelOuter := bus.WithTimeout(parent, time.Second)
			ctx, cancel := bus.WithTimeout(outer, time.Hour)
			return ctx, func() { cancel(); cancelOuter() }
		}
		for range 2 {
			ctx, cancel := within()
			defer cancel()
			began := time.Now()
			alarm := bus.NewAlarm(bus.Lending(ctx))
			select {
			case <-alarm.Late:
			case <-alarm.Ended:
				t.Error("ended")
			}
			alarm.Stop()
			if late := time.Since(began); late > time.Second || !errors.Is(bus.AlarmError(ctx), bus.ErrTimeout) {
				t.Errorf("after %v: %v", late, bus.AlarmError(ctx))
			}
		}
		ctx, cancel := within()
		defer cancel()
		stop()
		alarm := bus.NewAlarm(ctx)
		defer alarm.Stop()
		<-alarm.Ended
		if !errors.Is(bus.AlarmError(ctx), context.Canceled) {
			t.Errorf("canceled: %v", bus.AlarmError(ctx))
		}
	})
}
