package grpcpipe

import (
	"context"
	"errors"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// refusal is what a terminal gets for a message that was not carried out.
type refusal int

const (
	// sayBye: the call is over, or never was.
	sayBye refusal = iota
	// sayTryAgain: no call was made, and one may be later.
	sayTryAgain
	// sayRateLimit: the message was dropped, what call there is goes on.
	sayRateLimit
	// sayNoCall: NOT_INCALL on a Pipe, INVALID_CALL_ID on a MultiPipe.
	sayNoCall
	// sayUnknown: the message makes no sense here, the call goes on.
	sayUnknown
)

// The protocol has five error codes and a Bye without a cause. An Offer that is
// refused for good is answered by Bye, as the vendor's description has it; one
// refused for now by TRY_AGAIN. An Answer that call state could not use has
// ended its leg, so its terminal gets Bye; what is refused in an answered call
// leaves it as it is.
//
//	canonical code           Offer            Answer           Ringing
//	RETRY, OVERLOAD          TRY_AGAIN        Bye              Bye
//	CONFLICT                 TRY_AGAIN        UNKNOWN          UNKNOWN
//	RATE_LIMITED             RATE_LIMIT_HIT   RATE_LIMIT_HIT   RATE_LIMIT_HIT
//	NOT_FOUND, FORBIDDEN     Bye              no such call     no such call
//	ENDED                    Bye              Bye              Bye
//	REJECTED                 Bye              UNKNOWN          UNKNOWN
//	any other                Bye              Bye              UNKNOWN
//
//	in an answered call      Offer            Answer           ToPhone     Pull
//	RETRY, OVERLOAD          TRY_AGAIN        TRY_AGAIN        TRY_AGAIN   TRY_AGAIN
//	CONFLICT                 TRY_AGAIN        UNKNOWN          TRY_AGAIN   TRY_AGAIN
//	RATE_LIMITED             RATE_LIMIT_HIT   RATE_LIMIT_HIT   (likewise)  (likewise)
//	NOT_FOUND                no such call     no such call     TRY_AGAIN   no such call
//	FORBIDDEN                no such call     no such call     TRY_AGAIN   no such call
//	ENDED                    Bye              Bye              Bye         Bye
//	any other                UNKNOWN          UNKNOWN          TRY_AGAIN   Bye
//
// CONFLICT to an Offer of a MultiPipe says that the call is there already, from
// an earlier stream: then the Offer is one within it. An id that the stream has not
// seen before is "no such call" wherever the table says Bye to an Answer or Ringing,
// and to a ToPhone that finds nothing. A Bye is never refused once its call was known here: for the terminal the
// call is over, and the host sees to it that it is.
func refuseOffer(code callv1.Code) refusal {
	switch code {
	case callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD, callv1.Code_CODE_CONFLICT:
		return sayTryAgain
	case callv1.Code_CODE_RATE_LIMITED:
		return sayRateLimit
	}
	return sayBye
}

// refuseReoffer is the column of Offer in an answered call.
func refuseReoffer(code callv1.Code) refusal {
	switch code {
	case callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD, callv1.Code_CODE_CONFLICT:
		return sayTryAgain
	case callv1.Code_CODE_RATE_LIMITED:
		return sayRateLimit
	case callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN:
		return sayNoCall
	case callv1.Code_CODE_ENDED:
		return sayBye
	}
	return sayUnknown
}

// refuseReanswer is the column of Answer in an answered call.
func refuseReanswer(code callv1.Code) refusal {
	if code == callv1.Code_CODE_CONFLICT {
		return sayUnknown // nothing was offered
	}
	return refuseReoffer(code)
}

// refusePush is the column of ToPhone.
func refusePush(code callv1.Code) refusal {
	switch code {
	case callv1.Code_CODE_RATE_LIMITED:
		return sayRateLimit
	case callv1.Code_CODE_ENDED:
		return sayBye
	}
	return sayTryAgain // the call is kept, whatever the phone says
}

// refusePull is the column of Pull.
func refusePull(code callv1.Code) refusal {
	switch code {
	case callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD, callv1.Code_CODE_CONFLICT:
		return sayTryAgain
	case callv1.Code_CODE_RATE_LIMITED:
		return sayRateLimit
	case callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN:
		return sayNoCall
	}
	return sayBye
}

// refuseAnswer is the column of Answer in the table above.
func refuseAnswer(code callv1.Code) refusal {
	switch code {
	case callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN:
		return sayNoCall
	case callv1.Code_CODE_CONFLICT, callv1.Code_CODE_REJECTED:
		return sayUnknown
	case callv1.Code_CODE_RATE_LIMITED:
		return sayRateLimit
	}
	return sayBye
}

// refuseRinging is the column of Ringing in the table above.
func refuseRinging(code callv1.Code) refusal {
	switch code {
	case callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_FORBIDDEN:
		return sayNoCall
	case callv1.Code_CODE_ENDED, callv1.Code_CODE_RETRY, callv1.Code_CODE_OVERLOAD:
		return sayBye
	case callv1.Code_CODE_RATE_LIMITED:
		return sayRateLimit
	}
	return sayUnknown
}

// streamStatus gives the gRPC status of a stream that could not be opened.
func streamStatus(err error) error {
	if errors.Is(err, context.Canceled) {
		return status.Error(codes.Canceled, "cancelled")
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return status.Error(codes.Unavailable, "try again")
	}
	switch schema.CodeOf(err) {
	case callv1.Code_CODE_UNAUTHENTICATED:
		return status.Error(codes.Unauthenticated, "the token is not valid")
	case callv1.Code_CODE_FORBIDDEN, callv1.Code_CODE_NOT_FOUND:
		return status.Error(codes.PermissionDenied, "the token does not cover this use or this msisdn")
	case callv1.Code_CODE_RETRY, callv1.Code_CODE_GONE:
		return status.Error(codes.Unavailable, "try again")
	case callv1.Code_CODE_INVALID:
		return status.Error(codes.InvalidArgument, "the credentials cannot be read")
	case callv1.Code_CODE_RATE_LIMITED, callv1.Code_CODE_OVERLOAD:
		return status.Error(codes.ResourceExhausted, "too many requests")
	}
	return status.Error(codes.Internal, "internal error")
}
