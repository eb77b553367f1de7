package sylkrtc

import (
	"bytes"
	"encoding/json"
	"strings"
)

// badFrame is a message that is no request: it is counted, so that who sends
// nothing else is disconnected. With a transaction it is answered too.
type badFrame struct {
	transaction string // "" when it could not be read
	text        string
}

func (e *badFrame) Error() string { return e.text }

// badField is a request with a field that cannot be, or of a type that this
// server does not know, as a newer client's may be. It is answered.
type badField struct{ transaction, text string }

func (e *badField) Error() string { return e.text }

// requestType is one request of the protocol.
type requestType struct {
	since version
	// class names the request in error texts, as the protocol's own server does.
	class string
	parse func(*fields) any // nil: known, and not supported
}

// requests lists every request of either version.
//
//nolint:gochecknoglobals // data: the protocol's table
var requests = map[string]requestType{
	"ping": {v2, "PingRequest", func(*fields) any { return &ping{} }},

	"account-add":         {v1, "AccountAddRequest", parseAccountAdd},
	"account-remove":      {v1, "AccountRemoveRequest", func(f *fields) any { return &accountRemove{f.aor("account")} }},
	"account-register":    {v1, "AccountRegisterRequest", func(f *fields) any { return &accountRegister{f.aor("account")} }},
	"account-unregister":  {v1, "AccountUnregisterRequest", func(f *fields) any { return &accountUnregister{f.aor("account")} }},
	"account-devicetoken": {v1, "AccountDeviceTokenRequest", nil},

	"session-create":    {v1, "SessionCreateRequest", parseSessionCreate},
	"session-answer":    {v1, "SessionAnswerRequest", parseSessionAnswer},
	"session-trickle":   {v1, "SessionTrickleRequest", parseSessionTrickle},
	"session-terminate": {v1, "SessionTerminateRequest", func(f *fields) any { return &sessionTerminate{f.id("session")} }},
	"session-update":    {v2, "SessionUpdateRequest", nil},
	"session-dtmf-info": {v2, "SessionDTMFInfoRequest", parseSessionDTMF},
	"session-message":   {v2, "SessionMessageRequest", nil},

	"account-message":                  {v2, "AccountMessageRequest", nil},
	"account-disposition-notification": {v2, "AccountDispositionNotificationRequest", nil},
	"account-sync-conversations":       {v2, "AccountSyncConversationsRequest", nil},
	"account-mark-conversation-read":   {v2, "AccountMarkConversationReadRequest", nil},
	"account-remove-conversation":      {v2, "AccountRemoveConversationRequest", nil},
	"account-remove-message":           {v2, "AccountRemoveMessageRequest", nil},
	"account-fetch-addressbook":        {v2, "AccountFetchAddressBookRequest", nil},
	"account-update-addressbook":       {v2, "AccountUpdateAddressBookRequest", nil},
	"lookup-public-key":                {v2, "LookupPublicKeyRequest", nil},

	"videoroom-ctl":                     {v1, "VideoroomCtlRequest", nil},
	"videoroom-join":                    {v1, "VideoroomJoinRequest", nil},
	"videoroom-leave":                   {v1, "VideoroomLeaveRequest", nil},
	"videoroom-configure":               {v1, "VideoroomConfigureRequest", nil},
	"videoroom-feed-attach":             {v1, "VideoroomFeedAttachRequest", nil},
	"videoroom-feed-answer":             {v1, "VideoroomFeedAnswerRequest", nil},
	"videoroom-feed-detach":             {v1, "VideoroomFeedDetachRequest", nil},
	"videoroom-invite":                  {v1, "VideoroomInviteRequest", nil},
	"videoroom-session-trickle":         {v1, "VideoroomSessionTrickleRequest", nil},
	"videoroom-session-update":          {v1, "VideoroomSessionUpdateRequest", nil},
	"videoroom-message":                 {v2, "VideoroomMessageRequest", nil},
	"videoroom-composing-indication":    {v2, "VideoroomComposingIndicationRequest", nil},
	"videoroom-mute-audio-participants": {v2, "VideoroomMuteAudioParticipantsRequest", nil},
	"videoroom-mute-participant":        {v2, "VideoroomMuteParticipantRequest", nil},
	"videoroom-remove":                  {v2, "VideoroomRemoveRequest", nil},
	"videoroom-terminate":               {v2, "VideoroomTerminateRequest", nil},
	"videoroom-toggle-hand":             {v2, "VideoroomToggleHandRequest", nil},
}

// maxTransaction bounds what is given back in every answer.
const maxTransaction = 256

// parse reads one message of a client. The error is a *badFrame or a
// *badField.
func parse(v version, text []byte) (*frame, error) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(text, &m); err != nil {
		return nil, &badFrame{salvage(text), "malformed JSON message"}
	}
	if m == nil { // null
		return nil, &badFrame{"", "malformed JSON message"}
	}
	fr := &frame{transaction: transactionOf(m["transaction"])}
	name, isText := textOf(m["sylkrtc"])
	switch {
	case !isText:
		return nil, &badFrame{fr.transaction, "could not get WebSocket message type"}
	case fr.transaction == "":
		return nil, &badFrame{"", "request without a transaction"}
	}
	t, known := requests[name]
	if !known || t.since == v2 && v == v1 {
		return nil, &badField{fr.transaction, "unknown WebSocket request: " + printable(name)}
	}
	fr.name = name
	if t.parse == nil {
		fr.body = &unsupported{}
		return fr, nil
	}
	f := &fields{m: m, class: t.class}
	fr.body = t.parse(f)
	if f.wrong != "" {
		return nil, &badField{fr.transaction, f.wrong}
	}
	return fr, nil
}

func transactionOf(raw json.RawMessage) string {
	s, ok := textOf(raw)
	if !ok || len(s) > maxTransaction {
		return ""
	}
	return s
}

// salvage looks for the transaction of a message whose end is missing or
// broken: its sender waits for an answer.
func salvage(text []byte) string {
	d := json.NewDecoder(bytes.NewReader(text))
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return ""
	}
	for {
		key, err := d.Token()
		if err != nil {
			return ""
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return ""
		}
		if key == "transaction" {
			return transactionOf(value)
		}
	}
}

// printable makes a client's text fit to be given back in an error.
func printable(s string) string {
	const most = 256
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
