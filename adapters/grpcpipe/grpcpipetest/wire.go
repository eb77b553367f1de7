package grpcpipetest

import (
	"crypto/rand"
	"fmt"
	"strings"

	"google.golang.org/grpc/encoding"
	_ "google.golang.org/grpc/encoding/proto" // the codec that RawCodec falls back on
	"google.golang.org/grpc/mem"

	commonv0 "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/common/v0"
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

// Message is everything that travels.
type Message = wgtwo.WebTerminalMessage

// Offer makes a message; to is a number with its plus sign, "" for none.
func Offer(id, sdp, to string) *Message {
	o := &wgtwo.Offer{Sdp: sdp}
	if to != "" {
		o.Msisdn = &commonv0.PhoneNumber{E164: to}
	}
	return &Message{CallId: id, Message: &wgtwo.WebTerminalMessage_Offer{Offer: o}}
}

// Answer makes a message.
func Answer(id, sdp string) *Message {
	return &Message{CallId: id, Message: &wgtwo.WebTerminalMessage_Answer{Answer: &wgtwo.Answer{Sdp: sdp}}}
}

// Ringing makes a message.
func Ringing(id string) *Message {
	return &Message{CallId: id, Message: &wgtwo.WebTerminalMessage_Ringing{Ringing: &wgtwo.Ringing{}}}
}

// Bye makes a message.
func Bye(id string) *Message {
	return &Message{CallId: id, Message: &wgtwo.WebTerminalMessage_Bye{Bye: &wgtwo.Bye{}}}
}

// Error makes a message.
func Error(id string, code wgtwo.Error_Code) *Message {
	return &Message{CallId: id, Message: &wgtwo.WebTerminalMessage_Error{Error: &wgtwo.Error{Err: code}}}
}

// ToPhone makes a message.
func ToPhone(id string) *Message {
	return &Message{CallId: id, Message: &wgtwo.WebTerminalMessage_Action{Action: &wgtwo.Action{
		Message: &wgtwo.Action_ToPhone{ToPhone: &wgtwo.ToPhone{}},
	}}}
}

// NoAction makes an Action without one, which is always refused.
func NoAction(id string) *Message {
	return &Message{CallId: id, Message: &wgtwo.WebTerminalMessage_Action{Action: &wgtwo.Action{}}}
}

// Show puts a message in one line: "offer v=0 +12025550101 id=…".
func Show(m *Message) string {
	var b strings.Builder
	switch body := m.GetMessage().(type) {
	case nil:
		b.WriteString("nothing")
	case *wgtwo.WebTerminalMessage_Offer:
		fmt.Fprintf(&b, "offer %s %s", body.Offer.GetSdp(), body.Offer.GetMsisdn().GetE164())
	case *wgtwo.WebTerminalMessage_Answer:
		fmt.Fprintf(&b, "answer %s", body.Answer.GetSdp())
	case *wgtwo.WebTerminalMessage_Ringing:
		b.WriteString("ringing")
	case *wgtwo.WebTerminalMessage_Bye:
		b.WriteString("bye")
	case *wgtwo.WebTerminalMessage_Idle:
		b.WriteString("idle")
	case *wgtwo.WebTerminalMessage_InCall:
		fmt.Fprintf(&b, "in_call %s", body.InCall.GetMsisdn().GetE164())
	case *wgtwo.WebTerminalMessage_Error:
		b.WriteString("error " + body.Error.GetErr().String())
	case *wgtwo.WebTerminalMessage_Action:
		b.WriteString("action")
	}
	return b.String() + " id=" + m.GetCallId()
}

// NewUUID makes a random UUID (RFC 9562 section 5.4), as terminals name calls.
func NewUUID() string {
	var u [16]byte
	_, _ = rand.Read(u[:]) // never fails
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:])
}

// RawCodec is gRPC's own, but puts a []byte on the wire as it is.
func RawCodec() encoding.CodecV2 { return raw{encoding.GetCodecV2("proto")} }

type raw struct{ encoding.CodecV2 }

// Marshal implements encoding.CodecV2.
func (r raw) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.([]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(b)}, nil
	}
	return r.CodecV2.Marshal(v)
}
