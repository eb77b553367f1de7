package grpcpipe

import (
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// fromEvent puts an event in the protocol's words, for a call with a call_id and,
// where the protocol repeats it, the far party's number; nil if it has none for it.
//
//	Incoming     Offer{sdp, msisdn of the caller}
//	Alerting     Ringing (which has no room for early media)
//	Answered     Answer{sdp}
//	Established  – (the terminal sees its own media connect)
//	Reoffer      Offer{sdp, msisdn of the far party}
//	PushFailed   Error TRY_AGAIN
//	Ended        Bye (which has no cause)
//	Ended, transferred as the terminal asked
//	             InCall{msisdn of the far party}
//	InCall       InCall{msisdn of the far party}
//	Idle         Idle
func fromEvent(callID, far string, e *callv1.Event) *message {
	switch body := e.GetBody().(type) {
	case *callv1.Event_Incoming:
		return wireOffer(callID, withoutRTCP(body.Incoming.GetSdp()), msisdn(body.Incoming.GetCaller()))
	case *callv1.Event_Alerting:
		return wireRinging(callID)
	case *callv1.Event_Answered:
		return wireAnswer(callID, withoutRTCP(body.Answered.GetSdp()))
	case *callv1.Event_Reoffer:
		return wireOffer(callID, withoutRTCP(body.Reoffer.GetSdp()), far)
	case *callv1.Event_PushFailed:
		return wireError(callID, errTryAgain)
	case *callv1.Event_Ended:
		if handedOver(body.Ended) {
			return wireInCall(callID, msisdn(body.Ended.GetPeer()))
		}
		return wireBye(callID)
	case *callv1.Event_InCall:
		return wireInCall(callID, msisdn(body.InCall.GetPeer()))
	case *callv1.Event_Idle:
		return wireIdle(callID)
	}
	return nil
}

// handedOver reports whether a call left its terminal for the phone because the
// terminal asked.
func handedOver(e *callv1.Ended) bool {
	return e.GetReason() == callv1.Reason_REASON_TRANSFERRED && e.GetRequested()
}

// msisdn is the number a party is shown by: the first it has, which for one
// without a number of its own is the directory's alias.
func msisdn(p *callv1.Party) string {
	a, _ := schema.FirstOf(p, schema.SchemeTel)
	return a.E164()
}

// knownBy reports whether a party is who an Offer's number names.
func knownBy(p *callv1.Party, number string) bool {
	for _, s := range p.GetAddresses() {
		if a, err := schema.ParseAddress(s); err == nil && a.IsTel() && a.E164() == number {
			return true
		}
	}
	return false
}

// sameID reports whether two call_ids are the same UUID in whatever spelling, or
// the same text.
func sameID(a, b string) bool {
	if a == b {
		return true
	}
	x, ok := schema.CanonicalUUID(a)
	y, also := schema.CanonicalUUID(b)
	return ok && also && x == y
}

// dialled gives the address that an Offer calls.
func dialled(o *wgtwo.Offer) (schema.Address, bool) {
	return number(o.GetMsisdn().GetE164())
}

// offerCommand places a call to an address.
func offerCommand(p *callv1.Principal, t *callv1.Terminal, to schema.Address, sdp string) *callv1.Command {
	return &callv1.Command{
		Principal: p.GetSubscriber(),
		Body: &callv1.Command_Offer{Offer: &callv1.Offer{
			To: to.String(), Sdp: sdp, Terminal: t, Caller: p.GetParty(),
		}},
	}
}

// legCommand speaks for a leg; body is one of the callv1.Command_* types.
func legCommand(p *callv1.Principal, legID string, c *callv1.Command) *callv1.Command {
	c.Principal, c.LegId = p.GetSubscriber(), legID
	return c
}

func ringingCommand() *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}}
}

func answerCommand(sdp string) *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: sdp}}}
}

func hangUpCommand(r callv1.Reason) *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{Reason: r}}}
}

func pullCommand(p *callv1.Principal, t *callv1.Terminal, sdp, ref string) *callv1.Command {
	return &callv1.Command{
		Principal: p.GetSubscriber(),
		Body:      &callv1.Command_Pull{Pull: &callv1.Pull{Sdp: sdp, Terminal: t, Ref: ref}},
	}
}

func reofferCommand(sdp string) *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_Reoffer{Reoffer: &callv1.Reoffer{Sdp: sdp}}}
}

func refuseReofferCommand() *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_RefuseReoffer{RefuseReoffer: &callv1.RefuseReoffer{}}}
}

func pushCommand() *callv1.Command {
	return &callv1.Command{Body: &callv1.Command_Push{Push: &callv1.Push{}}}
}
