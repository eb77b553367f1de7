package play

import (
	"context"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/loopback/loopbacktest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/pairs/exchange"
	"github.com/tandem-rtc/tandem/tests/pairs/scenario"
)

// Protocol is a wire and what is known of it.
type Protocol struct {
	// Name is for people, Short for a table's heading.
	Name, Short string
	// Lacks are the kit's abilities that it does not have, each with the reason.
	Lacks map[kittest.Ability]string
	// CannotResume is why a terminal that has lost its connection cannot go on with
	// its calls by their names; "" if it can.
	CannotResume string
	// HearsMissed: a call that was missed is told apart from its end.
	HearsMissed string
	// Shares names what all terminals of a person have in common where they are one in
	// the table of terminals; "" if each is one of its own.
	Shares string
	// RingsItself: a called terminal need not say that it alerts.
	RingsItself bool
	// Dial opens a connection.
	Dial func(ctx context.Context, x *exchange.Exchange) (kittest.Client, error)
	// Shows is what a terminal can tell a reason from.
	Shows func(callv1.Reason) callv1.Reason
	// Moved is what it hears when its push came about, PushFailed when it did not.
	Moved      kittest.Heard
	PushFailed func(callv1.Reason) kittest.Heard
	// Refusal is what a terminal hears of a refusal.
	Refusal func(op kittest.Op, code callv1.Code) kittest.Heard
}

// Protocols are all there are, in the order of the tables.
func Protocols() []*Protocol {
	return []*Protocol{
		sylk(sylkrtctest.V1), sylk(sylkrtctest.V2), wg2(false), wg2(true),
		Matrix(matrixtest.V0, nil), Matrix(matrixtest.V1, nil), loop(),
	}
}

// abilities are what an action takes.
var abilities = map[string]kittest.Ability{
	"sign-out": kittest.SignsOut, "busy": kittest.SaysBusy, "pull": kittest.Pulls, "steal": kittest.Pulls,
	"push": kittest.Pushes, "reoffer": kittest.Reoffers, "refuse": kittest.RefusesReoffers,
	"press": kittest.SignalsDTMF, "early-media": kittest.EarlyMedia, "send-headers": kittest.Headers,
	"take-two": kittest.ManyCalls, "rejoin": kittest.Names, "drop": kittest.NoticesLoss,
	"dial-unknown": kittest.DialsUnknown, "insist": kittest.Insists,
}

// senses are what an event takes.
var senses = map[string]kittest.Ability{
	"alerting": kittest.HearsAlerting, "established": kittest.HearsEstablished, "reoffer": kittest.TakesReoffers,
	"in-call": kittest.ShowsCalls, "idle": kittest.ShowsCalls, "early-media": kittest.HearsEarlyMedia,
	"headers": kittest.Headers, "opening": grpcpipetest.ShowsAtOpening, "moved": kittest.Pushes, "push-failed": kittest.Pushes,
}

// Cannot says why the protocol does not have what a condition asks for; "" if it
// does.
func (p *Protocol) Cannot(c scenario.Condition) string {
	switch {
	case c.Hears && c.What == "missed":
		return p.HearsMissed
	case c.Hears && c.What == "opening" && p.Lacks[kittest.ShowsCalls] != "":
		return p.Lacks[kittest.ShowsCalls]
	case c.Hears:
		return p.Lacks[senses[c.What]]
	case c.What == "resume":
		return p.CannotResume
	}
	return p.Lacks[abilities[c.What]]
}

// cannot says why a scenario's terminal does not have what a condition asks for; "" if
// it does. What a terminal does apart from others of its person depends on whether
// these are one with it.
func cannot(s *scenario.Scenario, speaks func(terminal string) *Protocol, c scenario.Condition) string {
	p := speaks(c.Terminal)
	if c.Hears || c.What != "decline-alone" {
		return p.Cannot(c)
	}
	mine, _ := s.Terminal(c.Terminal)
	for _, t := range s.Terminals {
		if t.Name != mine.Name && t.Person() == mine.Person() && p.Shares != "" && speaks(t.Name).Shares == p.Shares {
			return p.Lacks[kittest.OwnTerminals]
		}
	}
	return ""
}

// sylk is a version of sylkRTC.
func sylk(version string) *Protocol {
	short := map[string]string{sylkrtctest.V1: "S1", sylkrtctest.V2: "S2"}[version]
	return &Protocol{
		Name: version, Short: short, Lacks: sylkrtctest.Cannot(version),
		CannotResume: "the vendor's client forgets its sessions with its connection",
		RingsItself:  true,
		Dial: func(ctx context.Context, x *exchange.Exchange) (kittest.Client, error) {
			c, err := sylkrtctest.Dial(ctx, x.Sylk, version, sylkrtctest.Options{})
			if err != nil {
				return nil, err
			}
			return sylkrtctest.Kit(c, nil), nil
		},
		Shows: sylkShows,
		Refusal: func(op kittest.Op, code callv1.Code) kittest.Heard {
			ends := map[callv1.Code]callv1.Reason{
				callv1.Code_CODE_NOT_FOUND:      callv1.Reason_REASON_NOT_FOUND,
				callv1.Code_CODE_GONE:           callv1.Reason_REASON_UNREACHABLE,
				callv1.Code_CODE_NOT_ACCEPTABLE: callv1.Reason_REASON_NOT_ACCEPTABLE,
				callv1.Code_CODE_RATE_LIMITED:   callv1.Reason_REASON_OVERLOAD,
			}
			if why, ok := ends[code]; ok && (op == kittest.OpCall || op == kittest.OpAnswer) {
				return kittest.Heard{What: kittest.Ended, Reason: why}
			}
			return kittest.Heard{What: kittest.Refused, Code: code}
		},
	}
}

// sylkShows is what applications can tell from the code in front of a reason.
func sylkShows(r callv1.Reason) callv1.Reason {
	switch r {
	case callv1.Reason_REASON_DECLINED:
		return callv1.Reason_REASON_BUSY
	case callv1.Reason_REASON_NO_ANSWER, callv1.Reason_REASON_ANSWERED_ELSEWHERE:
		return callv1.Reason_REASON_CANCELLED
	case callv1.Reason_REASON_TERMINAL_LOST:
		return callv1.Reason_REASON_UNREACHABLE
	}
	return r
}

// wg2 is a Pipe or a MultiPipe.
func wg2(multi bool) *Protocol {
	p := &Protocol{
		Name: "Pipe", Short: "P", Lacks: grpcpipetest.Cannot(multi),
		CannotResume: "a message means the current call, and a new stream has none",
		HearsMissed:  "Bye says no more than that the call is over",
		Dial: func(ctx context.Context, x *exchange.Exchange) (kittest.Client, error) {
			return grpcpipetest.Dial(ctx, x.WG2, multi)
		},
		Shows:      func(callv1.Reason) callv1.Reason { return callv1.Reason_REASON_UNSPECIFIED },
		Moved:      kittest.Heard{What: kittest.Transferred},
		PushFailed: func(callv1.Reason) kittest.Heard { return kittest.Heard{What: kittest.PushFailed} },
		Refusal:    grpcpipetest.Refusal,
	}
	if multi {
		p.Name, p.Short, p.CannotResume = "MultiPipe", "M", ""
	}
	return p
}

// loop is the reference adapter's wire, which says everything.
func loop() *Protocol {
	return &Protocol{
		Name: "loopback", Short: "L",
		CannotResume: "a terminal is shown its call and pulls it",
		HearsMissed:  "its end says so",
		Dial: func(ctx context.Context, x *exchange.Exchange) (kittest.Client, error) {
			return loopbacktest.Dial(ctx, x.Loopback)
		},
		Shows: func(r callv1.Reason) callv1.Reason { return r },
		Moved: kittest.Heard{What: kittest.Ended, Reason: callv1.Reason_REASON_TRANSFERRED},
		PushFailed: func(r callv1.Reason) kittest.Heard {
			return kittest.Heard{What: kittest.PushFailed, Reason: r}
		},
		Refusal: func(op kittest.Op, code callv1.Code) kittest.Heard {
			return kittest.Heard{What: kittest.Refused, Code: code}
		},
	}
}

// reasonOf reads a reason of a scenario, which the reader has checked.
func reasonOf(name string) callv1.Reason {
	r, _ := schema.ParseReason(name)
	return r
}

// codeOf reads a code of a scenario.
func codeOf(name string) callv1.Code {
	for n := range callv1.Code_name {
		if schema.CodeName(callv1.Code(n)) == name {
			return callv1.Code(n)
		}
	}
	return callv1.Code_CODE_UNSPECIFIED
}
