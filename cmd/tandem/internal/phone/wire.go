package phone

import (
	"crypto/rand"
	"encoding/hex"

	commonv0 "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/common/v0"
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

// message is everything that travels on a stream.
type message = wgtwo.WebTerminalMessage

// offerMessage calls to, or without it offers in a call that is there.
func offerMessage(id, sdp, to string) *message {
	o := &wgtwo.Offer{Sdp: sdp}
	if to != "" {
		o.Msisdn = &commonv0.PhoneNumber{E164: to}
	}
	return &message{CallId: id, Message: &wgtwo.WebTerminalMessage_Offer{Offer: o}}
}

func answerMessage(id, sdp string) *message {
	return &message{CallId: id, Message: &wgtwo.WebTerminalMessage_Answer{Answer: &wgtwo.Answer{Sdp: sdp}}}
}

func ringingMessage(id string) *message {
	return &message{CallId: id, Message: &wgtwo.WebTerminalMessage_Ringing{Ringing: &wgtwo.Ringing{}}}
}

func byeMessage(id string) *message {
	return &message{CallId: id, Message: &wgtwo.WebTerminalMessage_Bye{Bye: &wgtwo.Bye{}}}
}

func toPhoneMessage(id string) *message {
	return &message{CallId: id, Message: &wgtwo.WebTerminalMessage_Action{Action: &wgtwo.Action{
		Message: &wgtwo.Action_ToPhone{ToPhone: &wgtwo.ToPhone{}},
	}}}
}

// inCallMessage shows a call by its id alone.
func inCallMessage(id string) *message {
	return &message{CallId: id, Message: &wgtwo.WebTerminalMessage_InCall{InCall: &wgtwo.InCall{}}}
}

// noActionMessage asks for nothing.
func noActionMessage(id string) *message {
	return &message{CallId: id, Message: &wgtwo.WebTerminalMessage_Action{Action: &wgtwo.Action{}}}
}

// newUUID makes a random UUID (RFC 9562 section 5.4).
func newUUID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails
	u[6] = u[6]&0x0f | 0x40
	u[8] = u[8]&0x3f | 0x80
	s := hex.EncodeToString(u[:])
	return s[:8] + "-" + s[8:12] + "-" + s[12:16] + "-" + s[16:20] + "-" + s[20:]
}
