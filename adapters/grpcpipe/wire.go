package grpcpipe

import (
	"strings"

	commonv0 "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/common/v0"
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

// Short names for the messages of proto/wgtwo/webterminal/v0.
type (
	message = wgtwo.WebTerminalMessage
	errCode = wgtwo.Error_Code
)

const (
	errUnknown   = wgtwo.Error_UNKNOWN
	errNotInCall = wgtwo.Error_NOT_INCALL
	errTryAgain  = wgtwo.Error_TRY_AGAIN
	errInvalidID = wgtwo.Error_INVALID_CALL_ID
	errRateLimit = wgtwo.Error_RATE_LIMIT_HIT
)

// withoutRTCP leaves "a=rtcp:" (RFC 3605) out of a description for a terminal:
// a known client trips on it, and with rtcp-mux it says nothing.
func withoutRTCP(sdp string) string {
	if !strings.Contains(sdp, "a=rtcp:") {
		return sdp
	}
	var b strings.Builder
	for line := range strings.Lines(sdp) {
		if !strings.HasPrefix(line, "a=rtcp:") {
			b.WriteString(line)
		}
	}
	return b.String()
}

func wireOffer(callID, sdp, e164 string) *message {
	o := &wgtwo.Offer{Sdp: sdp}
	if e164 != "" {
		o.Msisdn = &commonv0.PhoneNumber{E164: e164}
	}
	return &message{CallId: callID, Message: &wgtwo.WebTerminalMessage_Offer{Offer: o}}
}

func wireAnswer(callID, sdp string) *message {
	return &message{CallId: callID, Message: &wgtwo.WebTerminalMessage_Answer{Answer: &wgtwo.Answer{Sdp: sdp}}}
}

func wireRinging(callID string) *message {
	return &message{CallId: callID, Message: &wgtwo.WebTerminalMessage_Ringing{Ringing: &wgtwo.Ringing{}}}
}

func wireBye(callID string) *message {
	return &message{CallId: callID, Message: &wgtwo.WebTerminalMessage_Bye{Bye: &wgtwo.Bye{}}}
}

func wireInCall(callID, e164 string) *message {
	in := &wgtwo.InCall{}
	if e164 != "" {
		in.Msisdn = &commonv0.PhoneNumber{E164: e164}
	}
	return &message{CallId: callID, Message: &wgtwo.WebTerminalMessage_InCall{InCall: in}}
}

func wireIdle(callID string) *message {
	return &message{CallId: callID, Message: &wgtwo.WebTerminalMessage_Idle{Idle: &wgtwo.Idle{}}}
}

func wireError(callID string, code errCode) *message {
	return &message{CallId: callID, Message: &wgtwo.WebTerminalMessage_Error{Error: &wgtwo.Error{Err: code}}}
}

// isHeartbeat: neither a message nor a call. A real client sends ten a second;
// they are neither answered nor counted.
func isHeartbeat(m *message) bool { return m.GetMessage() == nil && m.GetCallId() == "" }
