package kittest

import (
	"context"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Harness is what an adapter's author supplies.
type Harness struct {
	// Protocol says what the wire can say.
	Protocol Protocol
	// Node makes one node's adapter, not yet running. It is called many times,
	// and sometimes again while another node runs; each listens on a loopback
	// port that the kernel chose.
	Node func(t T) Node
	// BadInput is what no well-behaved peer sends: truncated, oversized, unknown,
	// of the wrong type, out of order.
	BadInput []BadInput
	// Patience is how long the kit waits for what must happen. 10 s.
	Patience time.Duration
}

// Node is one node's adapter and the way to it.
type Node struct {
	Spec   kit.Spec
	Config kit.Config
	// Dial opens a wire connection to this node. It is called once the adapter
	// has said it is ready, from any goroutine.
	Dial func(ctx context.Context) (Client, error)
}

// Protocol says what a wire can say.
type Protocol struct {
	// Cannot names the abilities that the wire lacks, each with the reason, which
	// is part of the report.
	Cannot map[Ability]string
	// Shows gives what a peer can tell a reason for an end from: a wire with one
	// "bye" gives REASON_UNSPECIFIED for all. nil: every reason shows as itself.
	Shows func(callv1.Reason) callv1.Reason
	// ByCall names abilities that a terminal's features claim although the calls that
	// this harness makes lack them, each with the reason: what a call can do shows
	// only in the call.
	ByCall map[Ability]string
	// TellsAccepted: a called terminal always hears Accepted when its answer stands.
	TellsAccepted bool
	// Refusal gives what a peer hears when its request was refused with a code:
	// Heard with What Refused and the code as far as the wire tells it, or What
	// Ended and the reason, or nothing at all (What "") where the wire cannot tell.
	// nil: Refused with the same code.
	Refusal func(op Op, code callv1.Code) Heard
}

// Ability is something that not every wire can say.
type Ability string

// What a wire may lack.
const (
	// Acks: requests are answered positively too.
	Acks Ability = "acks"
	// Names: peers name calls, so they can name the wrong one.
	Names Ability = "names"
	// ManyCalls: one connection holds several calls.
	ManyCalls Ability = "many calls"
	// Rings: a called terminal says that it alerts its user.
	Rings Ability = "rings"
	// HearsAlerting: a caller is told that the other side alerts.
	HearsAlerting Ability = "hears alerting"
	// HearsEstablished: a terminal is told that media is up.
	HearsEstablished Ability = "hears established"
	// SaysBusy: a called terminal can refuse as busy, apart from declining.
	SaysBusy Ability = "says busy"
	// SignsOut: a terminal can leave in order, apart from breaking off.
	SignsOut Ability = "signs out"
	// Trickles: a terminal sends candidates after its description.
	Trickles Ability = "trickles"
	// SignalsDTMF: a terminal sends digits as messages.
	SignalsDTMF Ability = "signals dtmf"
	// Insists: a called terminal can offer anew although it is itself being offered anew.
	Insists Ability = "insists"
	// DialsUnknown: a terminal can call an address that nobody has.
	DialsUnknown Ability = "dials unknown"
	// OwnTerminals: each connection of an account is a terminal of its own. On a wire
	// without, an account's connections share one, among which a call forks before it
	// comes to the adapter.
	OwnTerminals Ability = "own terminals"
	// NoticesLoss: the adapter notices that a terminal's connection broke.
	NoticesLoss Ability = "notices loss"
	// NoticesStall: the adapter notices that a terminal does not read.
	NoticesStall Ability = "notices stall"
	// ServesSideBySide: several nodes serve at the same time, each its own terminals.
	ServesSideBySide Ability = "serves side by side"
)

// Account is a subscriber of the kit's directory with everything a protocol may
// want to sign in with, or be dialled by.
type Account struct {
	// Subscriber is the directory's id.
	Subscriber string
	// AOR is the address of record, user@domain, and HA1 its digest.
	AOR, HA1 string
	// MSISDN is the number, with a leading plus sign, and Token its bearer token.
	MSISDN, Token string
	// MXID is the Matrix user id, @user:domain, which needs no proof from an adapter
	// that speaks for Matrix users.
	MXID string
}

// Client is one wire connection, as a terminal of the protocol has it. Methods
// but Next, Incoming and Repeat are called from one goroutine at a time. A
// context that ends is an error, always.
type Client interface {
	// SignIn makes the connection a terminal of the account where incoming calls
	// ring, and returns once the peer was told so; on a wire that tells nothing,
	// once the adapter must have attached it. A refusal is a *schema.Error.
	SignIn(ctx context.Context, a Account) error
	// Call sends the request for a call and returns when it is written, without
	// waiting for any answer. sdp goes on the wire as it is.
	Call(ctx context.Context, to Account, sdp string) (Call, error)
	// Incoming waits for the next incoming call.
	Incoming(ctx context.Context) (Call, error)
	// Named gives a handle to a call by the name that another peer knows it by,
	// as a peer would use it that guessed or stole the name. Only with Names.
	Named(id string) Call
	// Stall stops reading from the wire, for good; Close still works.
	Stall()
	// SignOut leaves in the protocol's terms and returns when that is written.
	// Only with SignsOut.
	SignOut(ctx context.Context) error
	// Close drops the connection without a word and frees all that the client
	// holds. It may be called again.
	Close()
}

// Call is one call as its terminal sees it. The methods that send return when
// the message is written; what comes back is heard by Next.
type Call interface {
	// ID is the name of the call on the wire; "" if the wire has none.
	ID() string
	// SDP is the description that an incoming call came with.
	SDP() string
	// Repeat sends the request for the call once more, byte for byte.
	Repeat(ctx context.Context) error
	// Ring says that the user is being alerted. Only with Rings.
	Ring(ctx context.Context) error
	// Answer takes the call.
	Answer(ctx context.Context, sdp string) error
	// Reject refuses an incoming call: REASON_DECLINED, or REASON_BUSY with
	// SaysBusy.
	Reject(ctx context.Context, why callv1.Reason) error
	// HangUp cancels or ends the call.
	HangUp(ctx context.Context) error
	// Trickle sends a candidate. Only with Trickles.
	Trickle(ctx context.Context, candidate string) error
	// DTMF sends a digit. Only with SignalsDTMF.
	DTMF(ctx context.Context, digit string) error
	// Next waits for what the wire says about this call next, in wire order.
	// Answers to requests are part of it. A connection that broke is an error.
	Next(ctx context.Context) (Heard, error)
}

// Op is a request of a terminal.
type Op string

// The requests.
const (
	OpCall    Op = "call"
	OpRing    Op = "ring"
	OpAnswer  Op = "answer"
	OpReject  Op = "reject"
	OpHangUp  Op = "hang up"
	OpTrickle Op = "trickle"
	OpDTMF    Op = "dtmf"
)

// What is the kind of thing that a terminal hears about a call.
type What string

// What a terminal can hear.
const (
	// Acked: a request was taken. Op says which, if the wire tells.
	Acked What = "acked"
	// Refused: a request was refused. Op says which, if the wire tells.
	Refused What = "refused"
	// Alerting: the other side alerts.
	Alerting What = "alerting"
	// Answered: the other side took the call; with its SDP.
	Answered What = "answered"
	// Accepted: the wire tells a called terminal that its answer stands.
	Accepted What = "accepted"
	// Established: media is up.
	Established What = "established"
	// Ended: the call is over; with the reason as far as the wire tells.
	Ended What = "ended"
)

// Heard is one thing that a terminal hears about a call.
type Heard struct {
	What What
	// Op is what an Acked or Refused is about, if the wire tells.
	Op     Op
	Code   callv1.Code   // Refused
	Reason callv1.Reason // Ended, PushFailed
	SDP    string        // Answered, Alerting (early media), Reoffered, ReofferAnswered
	// Headers are those of an Answered, with the ability Headers.
	Headers []*callv1.Header
}

// BadInput is one thing that no well-behaved peer sends.
type BadInput struct {
	// Name says what is wrong with it.
	Name string
	// Send puts it on the wire of a client that has signed in, and returns nil
	// once what the protocol says to it was heard: its own error, nothing at all,
	// or the end of the connection.
	Send func(ctx context.Context, c Client) error
	// Closes is set where the protocol ends the connection over it.
	Closes bool
}
