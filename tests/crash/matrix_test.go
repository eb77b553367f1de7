package crash_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/internal/line"
)

// The Matrix adapter is killed at each point of a call in turn, and starts again.
// Nothing is lost, since the homeserver and call state repeat what was not
// acknowledged: the call goes as it goes when nobody dies.

// TestMatrixCallerKilled: a Matrix user calls a line, which answers; the user holds
// the call and hangs up.
func TestMatrixCallerKilled(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]world{
		"v1":           {version: matrixtest.V1},
		"v1 anew":      {version: matrixtest.V1, fresh: true},
		"v0":           {version: matrixtest.V0},
		"homeserver 1": {version: matrixtest.V1, real: true, half: 1},
		"homeserver 2": {version: matrixtest.V1, real: true, half: 2},
	} {
		o.everyPoint(t, name, func(t *testing.T, r *rooms) {
			k, in := r.calls(t)
			r.does(in, &callv1.Command{Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}})
			r.does(in, &callv1.Command{Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: line.SDP()}}})
			hears(t, k, kittest.Answered)
			next(t, r.called(), "established")
			if re, ok := k.(kittest.Reofferer); ok {
				must(t, re.Reoffer(t.Context(), held(kittest.SDP("alice"))))
				hears(t, k, kittest.ReofferAnswered)
			}
			must(t, k.HangUp(t.Context()))
			next(t, r.called(), "ended")
		})
	}
}

// TestMatrixCalledKilled: a line calls a Matrix user, who answers; the line holds the
// call and hangs up.
func TestMatrixCalledKilled(t *testing.T) {
	t.Parallel()
	for name, o := range map[string]world{
		"v1":           {version: matrixtest.V1},
		"v1 anew":      {version: matrixtest.V1, fresh: true},
		"v0":           {version: matrixtest.V0},
		"homeserver 1": {version: matrixtest.V1, real: true, half: 1},
		"homeserver 2": {version: matrixtest.V1, real: true, half: 2},
	} {
		o.everyPoint(t, name, func(t *testing.T, r *rooms) {
			leg := r.isCalled(t)
			k := r.rung(t)
			next(t, r.calling(), "alerting")
			must(t, k.Answer(t.Context(), kittest.SDP("alice")))
			next(t, r.calling(), "answered")
			if o.version == matrixtest.V1 {
				hears(t, k, kittest.Accepted)
			}
			next(t, r.calling(), "established")
			if re, ok := k.(kittest.ReofferTaker); ok {
				r.does(leg, &callv1.Command{Body: &callv1.Command_Reoffer{Reoffer: &callv1.Reoffer{Sdp: held(line.SDP())}}})
				hears(t, k, kittest.Reoffered)
				must(t, re.AnswerReoffer(t.Context(), strings.Replace(kittest.SDP("alice"), "a=sendrecv", "a=recvonly", 1)))
			}
			r.does(leg, &callv1.Command{Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{}}})
			hears(t, k, kittest.Ended)
		})
	}
}

// TestMatrixCallerCancelsKilled: a Matrix user gives a call up that rings.
func TestMatrixCallerCancelsKilled(t *testing.T) {
	t.Parallel()
	world{version: matrixtest.V1}.everyPoint(t, "v1", func(t *testing.T, r *rooms) {
		k, in := r.calls(t)
		r.does(in, &callv1.Command{Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}})
		must(t, k.HangUp(t.Context()))
		next(t, r.called(), "ended")
	})
}

// TestMatrixCalledRejectsKilled: a Matrix user does not want a call.
func TestMatrixCalledRejectsKilled(t *testing.T) {
	t.Parallel()
	world{version: matrixtest.V1}.everyPoint(t, "v1", func(t *testing.T, r *rooms) {
		r.isCalled(t)
		k := r.rung(t)
		next(t, r.calling(), "alerting")
		must(t, k.Reject(t.Context(), callv1.Reason_REASON_DECLINED))
		next(t, r.calling(), "ended")
	})
}

// TestMatrixRejectedKilled: the line does not want a Matrix user's call.
func TestMatrixRejectedKilled(t *testing.T) {
	t.Parallel()
	world{version: matrixtest.V1}.everyPoint(t, "v1", func(t *testing.T, r *rooms) {
		k, in := r.calls(t)
		r.does(in, &callv1.Command{Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{Reason: callv1.Reason_REASON_BUSY}}})
		if h := hears(t, k, kittest.Ended); h.Reason != callv1.Reason_REASON_BUSY {
			t.Errorf("reason %v", h.Reason)
		}
	})
}

// TestMatrixCalledIsCancelledKilled: the line gives its call up that rings at a
// Matrix user.
func TestMatrixCalledIsCancelledKilled(t *testing.T) {
	t.Parallel()
	world{version: matrixtest.V1}.everyPoint(t, "v1", func(t *testing.T, r *rooms) {
		leg := r.isCalled(t)
		k := r.rung(t)
		next(t, r.calling(), "alerting")
		r.does(leg, &callv1.Command{Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{}}})
		hears(t, k, kittest.Ended)
	})
}

// TestMatrixUnansweredKilled: nobody answers, in either direction.
func TestMatrixUnansweredKilled(t *testing.T) {
	t.Parallel()
	o := world{version: matrixtest.V1, ring: 1500 * time.Millisecond}
	o.everyPoint(t, "caller", func(t *testing.T, r *rooms) {
		k, in := r.calls(t)
		r.does(in, &callv1.Command{Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}})
		if h := hears(t, k, kittest.Ended); h.Reason != callv1.Reason_REASON_NO_ANSWER {
			t.Errorf("reason %v", h.Reason)
		}
		next(t, r.called(), "ended")
	})
	o.everyPoint(t, "called", func(t *testing.T, r *rooms) {
		r.isCalled(t)
		k := r.rung(t)
		last(t, r.calling(), "alerting", "ended") // it may ring for no longer than the adapter is away
		hears(t, k, kittest.Ended)
	})
}

// held is a description of a call on hold.
func held(sdp string) string { return strings.Replace(sdp, "a=sendrecv", "a=sendonly", 1) }
