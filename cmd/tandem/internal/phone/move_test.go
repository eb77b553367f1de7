package phone

import (
	"context"
	"io"
	"log/slog"
	"testing"
	"time"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

// pull starts a phone that pulls, of the calling number.
func (x *exchange) pull(t *testing.T, o PullOptions) *handset {
	t.Helper()
	o.Connection = x.connection(one, o.Single)
	o.JSON, o.Tone = true, 900
	if o.Duration == 0 {
		o.Duration = time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = patience
	}
	return run(t, func(ctx context.Context, stdout, stderr io.Writer, log *slog.Logger) int {
		return Pull(ctx, o, stdout, stderr, log)
	})
}

// A Pipe that was cut off is shown its call when it is back, and pulls it: with a
// new transport, to which the other side's is made anew.
func TestPipeComesBack(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	x.keeps = true
	l := x.listen(t, ListenOptions{Count: 1})
	c := x.call(t, CallOptions{Connection: x.connection(one, true), Duration: 6 * time.Second})
	x.registered(t, one)
	c.stderr.waitFor(t, "audio arrives")
	x.cut(one)
	x.registered(t, one)
	c.stderr.waitFor(t, "pulling the call back")
	got := c.ends(t, ExitOK)[0]
	if got.State != Established || got.Reason != LocalHangUp {
		t.Errorf("the caller: %+v", got)
	}
	wantTone(t, got, 440)
	wantTone(t, l.ends(t, ExitOK)[0], 700)
}

// A phone takes over the call that its number is in: the one that it is shown, or
// one by its id.
func TestPull(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	x.keeps = true
	l := x.listen(t, ListenOptions{Count: 1})
	x.call(t, CallOptions{Connection: x.connection(one, true), Duration: time.Hour}).stderr.waitFor(t, "audio arrives")
	p := x.pull(t, PullOptions{}) // its stream takes the other's place here
	got := p.ends(t, ExitOK)[0]
	if got.State != Established || got.Reason != LocalHangUp || got.Peer != two {
		t.Errorf("pulled: %+v", got)
	}
	wantTone(t, got, 440)
	l.ends(t, ExitOK)

	if got := x.pull(t, PullOptions{CallID: newUUID()}).ends(t, ExitRefused)[0]; got.Reason != Refused {
		t.Errorf("pulled what is not there: %+v", got)
	}
	if got := x.pull(t, PullOptions{Timeout: 50 * time.Millisecond}).ends(t, ExitError); len(got) != 0 {
		t.Errorf("pulled nothing: %+v", got)
	}
}

// A phone gives its call to the subscriber's phone, at the second try.
func TestToPhone(t *testing.T) {
	t.Parallel()
	for _, takes := range []bool{true, false} {
		x := startExchange(t)
		x.script = func(_ string, m *message, say func(*message)) bool {
			switch {
			case m.GetAction().GetToPhone() == nil:
				return false
			case takes:
				say(inCallMessage(m.GetCallId()))
			default:
				say(errorMessage(m.GetCallId(), wgtwo.Error_TRY_AGAIN))
			}
			return true
		}
		l := x.listen(t, ListenOptions{Count: 1})
		c := x.call(t, CallOptions{ToPhoneAfter: 300 * time.Millisecond, Duration: time.Second})
		want := LocalHangUp
		if takes {
			want = Transferred
		}
		if got := c.ends(t, ExitOK)[0]; got.Reason != want || got.State != Established {
			t.Errorf("the call ended as %+v, want %s", got, want)
		}
		l.hangUp()
		l.ends(t, ExitOK)
	}
}

// What is shown of calls elsewhere is told.
func TestShowsCalls(t *testing.T) {
	t.Parallel()
	x := startExchange(t)
	l := x.listen(t, ListenOptions{Connection: x.connection(two, true)})
	id := newUUID()
	x.mu.Lock()
	m := inCallMessage(id)
	x.say(two, m)
	x.say(two, &message{Message: &wgtwo.WebTerminalMessage_Idle{Idle: &wgtwo.Idle{}}})
	x.mu.Unlock()
	l.stderr.waitFor(t, "at another terminal (call "+id+")")
	l.stderr.waitFor(t, "in no call")
}
