package directory

import (
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// The refusals of the directory. Wrong account and wrong password are one
// error, so that a peer cannot find out which accounts exist.
var (
	errCredentials  = schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "unknown account or wrong credentials")
	errNoProof      = schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "no credentials presented")
	errLimited      = schema.Errorf(callv1.Code_CODE_RATE_LIMITED, "too many failed sign-ins for this account")
	errNoNumber     = schema.Errorf(callv1.Code_CODE_FORBIDDEN, "a service token needs the number it is to act for")
	errNamesNobody  = schema.Errorf(callv1.Code_CODE_FORBIDDEN, "the token is for no subscriber here")
	errNoVoucher    = schema.Errorf(callv1.Code_CODE_FORBIDDEN, "an adapter of this kind does not speak for such addresses")
	errNotVouched   = schema.Errorf(callv1.Code_CODE_FORBIDDEN, "a user of another server, and no subscriber here")
	errMatrixFull   = schema.Errorf(callv1.Code_CODE_OVERLOAD, "the directory holds as many Matrix users, or subscribers, as it may")
	errEnrolling    = schema.Errorf(callv1.Code_CODE_RETRY, "the subscriber is being changed by others")
	errAmbiguous    = schema.Errorf(callv1.Code_CODE_FORBIDDEN, "the token names one subscriber's id and another's address")
	errNotCovered   = schema.Errorf(callv1.Code_CODE_FORBIDDEN, "the token does not cover this number")
	errNobody       = schema.Errorf(callv1.Code_CODE_NOT_FOUND, "nobody has this address")
	errNotServed    = schema.Errorf(callv1.Code_CODE_NOT_FOUND, "the domain is not served here")
	errTokenLimited = schema.Errorf(callv1.Code_CODE_RATE_LIMITED, "too many failed sign-ins with this token or for this number")
	errKeysAway     = schema.Errorf(callv1.Code_CODE_RETRY, "the keys of the token's issuer are not at hand")
	errNoPhone      = schema.Errorf(callv1.Code_CODE_NOT_FOUND, "the subscriber has no phone, or nobody has its address")
	errNoAccount    = schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such subscriber, or not its account")
	errDevices      = schema.Errorf(callv1.Code_CODE_OVERLOAD, "the account has as many devices as it may have")
	errWakeQueue    = schema.Errorf(callv1.Code_CODE_OVERLOAD, "too many devices wait to be woken")
	errBusy         = schema.Errorf(callv1.Code_CODE_RETRY, "the directory has too many questions waiting")
	errQuestion     = schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "the directory does not know this question")
)
