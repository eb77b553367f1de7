package kittest

import (
	"context"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// What a wire may lack besides: abilities of which a Client or its Calls have them
// who implement the interface named.
const (
	// ShowsCalls: a terminal is told of its subscriber's calls at other terminals.
	// Client: StatusHearer.
	ShowsCalls Ability = "shows calls"
	// ShowsAtOpening: a terminal that signs in is shown those that there are by then.
	// Client: StatusHearer.
	ShowsAtOpening Ability = "shows calls at opening"
	// Pulls: a terminal takes over a call of its subscriber. Client: Puller.
	Pulls Ability = "pulls"
	// Pushes: a terminal gives its call to its subscriber's phone. Call: Pusher.
	Pushes Ability = "pushes"
	// Reoffers: a terminal offers anew in an answered call. Call: Reofferer.
	Reoffers Ability = "re-offers"
	// TakesReoffers: a terminal is offered anew in an answered call. Call:
	// ReofferTaker.
	TakesReoffers Ability = "takes re-offers"
	// RefusesReoffers: a terminal can refuse that and keep its call. Call:
	// ReofferRefuser.
	RefusesReoffers Ability = "refuses re-offers"
	// EarlyMedia: a called terminal gives its description before it answers. Call:
	// EarlyRinger.
	EarlyMedia Ability = "early media"
	// HearsEarlyMedia: a caller is given a description before the answer. Call:
	// EarlyHearer.
	HearsEarlyMedia Ability = "hears early media"
	// Headers: calls and answers carry headers of the terminals' own. Client:
	// HeaderCaller; Call: HeaderBearer.
	Headers Ability = "headers"
)

// Puller is a Client whose wire can pull calls.
type Puller interface {
	// Pull sends the request to take over the answered call that is shown as name
	// ("" on a wire without names), and returns when it is written. The Call hears
	// Answered with the answer, or Refused (OpPull) or Ended, as the wire has it.
	Pull(ctx context.Context, name, sdp string) (Call, error)
}

// StatusHearer is a Client whose wire tells of calls at other terminals.
type StatusHearer interface {
	// NextStatus waits for what the wire says next about calls that this terminal
	// is not in, from the sign-in on, in wire order. What says only that there is
	// none to begin with is left out. It may be called beside the other methods.
	NextStatus(ctx context.Context) (Status, error)
}

// Status is what a terminal hears of a call that it is not in.
type Status struct {
	// InCall: there is the call; else it is over, or no longer its subscriber's.
	InCall bool
	// Call is the call's name on the wire, which Pull takes; "" if the wire has none.
	Call string
	// Peer is the other party, of InCall, as the wire shows it.
	Peer string
}

// Pusher is a Call that can be given to the subscriber's phone.
type Pusher interface {
	// Push asks for that. Next hears Acked on a wire with Acks, then Transferred or
	// Ended once the phone has answered, or PushFailed; or Refused (OpPush).
	Push(ctx context.Context) error
}

// Reofferer is a Call whose terminal can offer anew.
type Reofferer interface {
	// Reoffer sends the offer. Next hears ReofferAnswered with the answer, or
	// Refused (OpReoffer).
	Reoffer(ctx context.Context, sdp string) error
}

// ReofferTaker is a Call whose terminal can be offered anew: Next hears Reoffered
// with the offer.
type ReofferTaker interface {
	// AnswerReoffer answers the offer. Next hears Acked on a wire with Acks, or
	// Refused (OpAnswerReoffer).
	AnswerReoffer(ctx context.Context, sdp string) error
}

// ReofferRefuser is a Call whose terminal can refuse an offer and keep the call.
type ReofferRefuser interface {
	// RefuseReoffer refuses it. Next hears Acked on a wire with Acks.
	RefuseReoffer(ctx context.Context) error
}

// EarlyRinger is a Call whose terminal can send media before it answers.
type EarlyRinger interface {
	// RingEarly says that the user is being alerted and gives the description.
	RingEarly(ctx context.Context, sdp string) error
}

// EarlyHearer is a Call whose terminal can hear media before the answer: Next hears
// Alerting with the description.
type EarlyHearer interface {
	// HearsEarly does nothing: it says that the wire can.
	HearsEarly()
}

// HeaderCaller is a Client whose wire carries headers.
type HeaderCaller interface {
	// CallWith is Call with headers.
	CallWith(ctx context.Context, to Account, sdp string, headers []*callv1.Header) (Call, error)
}

// HeaderBearer is a Call whose wire carries headers.
type HeaderBearer interface {
	// Headers are those that an incoming call came with, which may be less than were
	// sent: names that begin with "X-Kittest-" are always let through.
	Headers() []*callv1.Header
	// AnswerWith is Answer with headers.
	AnswerWith(ctx context.Context, sdp string, headers []*callv1.Header) error
}

// More requests.
const (
	OpPull          Op = "pull"
	OpPush          Op = "push"
	OpReoffer       Op = "re-offer"
	OpAnswerReoffer Op = "answer to a re-offer"
	OpRefuseReoffer Op = "refusal of a re-offer"
)

// More that a terminal can hear about its call.
const (
	// Reoffered: the terminal is offered anew; with the SDP.
	Reoffered What = "re-offered"
	// ReofferAnswered: the answer to the terminal's own offer anew; with the SDP.
	ReofferAnswered What = "re-offer answered"
	// PushFailed: the call stays; with the reason as far as the wire tells.
	PushFailed What = "push failed"
	// Transferred: the call goes on elsewhere, as this terminal asked (Push), on a
	// wire that tells this from an end.
	Transferred What = "transferred"
)
