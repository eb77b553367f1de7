package loopback

import (
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// scope is what a terminal's own names for calls are unique in, besides the
// subscriber.
const scope = "loopback"

// ref is the call that a frame of a terminal's is about.
func ref(f Frame, terminal *callv1.Terminal) kit.Ref {
	return kit.Ref{Scope: scope, ID: f.Call, Terminal: terminal.GetId()}
}

// command translates a frame about a call. who and terminal are the sender's.
func command(f Frame, who *callv1.Principal, terminal *callv1.Terminal) (*callv1.Command, error) {
	c := &callv1.Command{Principal: who.GetSubscriber()}
	if f.Call == "" {
		return nil, schema.Invalid("call", "missing")
	}
	switch f.Op {
	case Place:
		to, err := schema.ParseDialled(f.To, "")
		if err != nil {
			return nil, err
		}
		c.Body = &callv1.Command_Offer{Offer: &callv1.Offer{
			To: to.String(), Sdp: f.SDP, Terminal: terminal, Caller: who.GetParty(), Headers: f.Headers,
		}}
	case Ring:
		c.Body = &callv1.Command_Ringing{Ringing: &callv1.Ringing{Sdp: f.SDP}}
	case Answer:
		c.Body = &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: f.SDP, Headers: f.Headers}}
	case HangUp:
		why, ok := callv1.Reason_REASON_UNSPECIFIED, f.Reason == ""
		if !ok {
			if why, ok = schema.ParseReason(f.Reason); !ok {
				return nil, schema.Invalid("reason", "unknown")
			}
		}
		c.Body = &callv1.Command_HangUp{HangUp: &callv1.HangUp{Reason: why}}
	case Pull:
		c.Body = &callv1.Command_Pull{Pull: &callv1.Pull{Sdp: f.SDP, Terminal: terminal}}
	case Push:
		c.Body = &callv1.Command_Push{Push: &callv1.Push{}}
	case Reoffer:
		c.Body = &callv1.Command_Reoffer{Reoffer: &callv1.Reoffer{Sdp: f.SDP}}
	case Refuse:
		c.Body = &callv1.Command_RefuseReoffer{RefuseReoffer: &callv1.RefuseReoffer{}}
	default:
		return nil, schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "unknown frame %q", schema.CleanText(string(f.Op), 32))
	}
	return c, nil
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
	if f.Call == "" { // it is known by our name: the leg's, or, of a status, the call's
		f.Call = e.GetLegId()
	}
	switch b := e.GetBody().(type) {
	case *callv1.Event_Incoming:
		f.Op, f.From, f.SDP, f.Headers = Incoming, address(b.Incoming.GetCaller()), b.Incoming.GetSdp(), b.Incoming.GetHeaders()
	case *callv1.Event_Alerting:
		f.Op, f.SDP = Alerting, b.Alerting.GetSdp()
	case *callv1.Event_Answered:
		f.Op, f.SDP, f.Headers = Answered, b.Answered.GetSdp(), b.Answered.GetHeaders()
	case *callv1.Event_Established:
		f.Op = Established
	case *callv1.Event_Reoffer:
		f.Op, f.SDP = Reoffer, b.Reoffer.GetSdp()
	case *callv1.Event_PushFailed:
		f.Op, f.Reason = PushFailed, schema.ReasonName(b.PushFailed.GetReason())
	case *callv1.Event_Ended:
		f.Op, f.Reason = Ended, schema.ReasonName(b.Ended.GetReason())
	case *callv1.Event_InCall:
		f.Op, f.From = InCall, address(b.InCall.GetPeer())
	case *callv1.Event_Idle:
		f.Op = Idle
	default:
		return f, false
	}
	return f, true
}

// address is what a party is shown by.
func address(p *callv1.Party) string {
	if a := p.GetAddresses(); len(a) > 0 {
		return a[0]
	}
	return ""
}

// refusal translates an error into the answer to a frame.
func refusal(f Frame, err error) Frame {
	return Frame{
		Op: Refused, Of: f.Op, Call: f.Call,
		Code: schema.CodeName(schema.CodeOf(err)), Text: schema.ToProto(err).GetMessage(),
	}
}
