package loopback

import (
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// scope is what a terminal's own names for calls are unique in, besides the
// subscriber.
const scope = "loopback"

// command translates a frame about a call. who and terminal are the sender's.
func command(f Frame, who *callv1.Principal, terminal *callv1.Terminal) (*callv1.Command, kit.Ref, error) {
	c := &callv1.Command{Principal: who.GetSubscriber()}
	if f.Call == "" {
		return nil, kit.Ref{}, schema.Invalid("call", "missing")
	}
	switch f.Op {
	case Place:
		to, err := schema.ParseDialled(f.To, "")
		if err != nil {
			return nil, kit.Ref{}, err
		}
		c.Body = &callv1.Command_Offer{Offer: &callv1.Offer{
			To: to.String(), Sdp: f.SDP, Terminal: terminal, Caller: who.GetParty(),
		}}
	case Ring:
		c.Body = &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}
	case Answer:
		c.Body = &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: f.SDP}}
	case HangUp:
		why, ok := callv1.Reason_REASON_UNSPECIFIED, f.Reason == ""
		if !ok {
			if why, ok = schema.ParseReason(f.Reason); !ok {
				return nil, kit.Ref{}, schema.Invalid("reason", "unknown")
			}
		}
		c.Body = &callv1.Command_HangUp{HangUp: &callv1.HangUp{Reason: why}}
	default:
		return nil, kit.Ref{}, schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "unknown frame %q", schema.CleanText(string(f.Op), 32))
	}
	return c, kit.Ref{Scope: scope, ID: f.Call}, nil
}

// signal translates a candidate or digit of a leg.
func signal(f Frame, who *callv1.Principal, legID string) *callv1.Signal {
	s := &callv1.Signal{LegId: legID, Principal: who.GetSubscriber()}
	if f.Op == Digit {
		s.Body = &callv1.Signal_Dtmf{Dtmf: &callv1.Dtmf{Digit: f.Text}}
		return s
	}
	s.Body = &callv1.Signal_Candidates{Candidates: &callv1.Candidates{
		Candidates: []*callv1.Candidate{{Candidate: f.SDP, MLine: -1}},
	}}
	return s
}

// frame translates an event; false: the wire has nothing to say it with.
func frame(e *callv1.Event) (Frame, bool) {
	f := Frame{Call: e.GetRef()}
	if f.Call == "" { // the leg began here, so the terminal knows it by our name
		f.Call = e.GetLegId()
	}
	switch b := e.GetBody().(type) {
	case *callv1.Event_Incoming:
		f.Op, f.SDP = Incoming, b.Incoming.GetSdp()
		if a := b.Incoming.GetCaller().GetAddresses(); len(a) > 0 {
			f.From = a[0]
		}
	case *callv1.Event_Alerting:
		f.Op = Alerting
	case *callv1.Event_Answered:
		f.Op, f.SDP = Answered, b.Answered.GetSdp()
	case *callv1.Event_Established:
		f.Op = Established
	case *callv1.Event_Ended:
		f.Op, f.Reason = Ended, schema.ReasonName(b.Ended.GetReason())
	default:
		return f, false
	}
	return f, true
}

// refusal translates an error into the answer to a frame.
func refusal(f Frame, err error) Frame {
	return Frame{
		Op: Refused, Of: f.Op, Call: f.Call,
		Code: schema.CodeName(schema.CodeOf(err)), Text: schema.ToProto(err).GetMessage(),
	}
}
