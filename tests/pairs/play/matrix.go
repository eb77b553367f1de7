package play

import (
	"context"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/pairs/exchange"
)

// Matrix is a version of Matrix calls. change makes another kind of client of it; nil:
// a plain one.
func Matrix(version string, change func(*matrixtest.Options)) *Protocol {
	return &Protocol{
		Name: "Matrix " + version, Short: "X" + version, Lacks: matrixtest.Cannot(version),
		CannotResume: "nobody knows that a device had lost its connection",
		HearsMissed:  "clients find out by themselves what they have missed",
		Shares:       "matrix",
		RingsItself:  true,
		Dial: func(_ context.Context, x *exchange.Exchange) (kittest.Client, error) {
			o := matrixtest.Options{
				Homeserver: x.Matrix.URL, Bot: x.Matrix.Bot, Ghosts: x.Matrix.Ghosts, Secret: x.Matrix.Secret, Version: version,
				// As the clients of the time: those of version 1 send candidates one by one.
				Trickle: version == matrixtest.V1 && x.Real(),
			}
			if change != nil {
				change(&o)
			}
			return matrixtest.Kit(matrixtest.Dial(o), nil), nil
		},
		Shows: matrixShows,
		Refusal: func(op kittest.Op, code callv1.Code) kittest.Heard {
			if op != kittest.OpCall {
				return kittest.Heard{} // no event says so
			}
			if code == callv1.Code_CODE_NOT_ACCEPTABLE {
				return kittest.Heard{What: kittest.Ended, Reason: callv1.Reason_REASON_NOT_ACCEPTABLE}
			}
			return kittest.Heard{What: kittest.Ended, Reason: callv1.Reason_REASON_INTERNAL}
		},
	}
}

// matrixShows is what clients can tell from the reason of a hang-up.
func matrixShows(r callv1.Reason) callv1.Reason {
	switch r {
	case callv1.Reason_REASON_BUSY, callv1.Reason_REASON_NO_ANSWER, callv1.Reason_REASON_ANSWERED_ELSEWHERE,
		callv1.Reason_REASON_MEDIA_FAILED, callv1.Reason_REASON_NOT_ACCEPTABLE:
		return r
	case callv1.Reason_REASON_NOT_FOUND, callv1.Reason_REASON_UNREACHABLE, callv1.Reason_REASON_FORBIDDEN,
		callv1.Reason_REASON_OVERLOAD, callv1.Reason_REASON_TERMINAL_LOST, callv1.Reason_REASON_INTERNAL:
		return callv1.Reason_REASON_INTERNAL
	}
	return callv1.Reason_REASON_NORMAL
}
