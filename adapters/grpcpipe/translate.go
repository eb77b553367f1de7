package grpcpipe

import (
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// fromEvent puts an event in the protocol's words; nil if it has none for it.
//
//	Incoming     Offer{sdp, msisdn of the caller}
//	Alerting     Ringing
//	Answered     Answer{sdp}
//	Established  – (the terminal sees its own media connect)
//	Ended        Bye (which has no cause)
func fromEvent(callID string, e *callv1.Event) *message {
	switch body := e.GetBody().(type) {
	case *callv1.Event_Incoming:
		return wireOffer(callID, withoutRTCP(body.Incoming.GetSdp()), msisdn(body.Incoming.GetCaller()))
	case *callv1.Event_Alerting:
		return wireRinging(callID)
	case *callv1.Event_Answered:
		return wireAnswer(callID, withoutRTCP(body.Answered.GetSdp()))
	case *callv1.Event_Ended:
		return wireBye(callID)
	}
	return nil
}

// msisdn is the number a party is shown by: the first it has, which for one
// without a number of its own is the directory's alias.
func msisdn(p *callv1.Party) string {
	a, _ := schema.FirstOf(p, schema.SchemeTel)
	return a.E164()
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
