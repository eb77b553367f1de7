package sylkrtc

import "maps"

// request is one request of a client, read and checked.
type request interface {
	// carryOut does what is asked and answers it with exactly one ack or failure;
	// what follows from it is told after that. It runs on the connection's request
	// goroutine, one request at a time, and may block: the requests behind it on
	// the same connection wait, nothing else does.
	carryOut(p *peer, transaction string)
}

// requestType is one request of the protocol.
type requestType struct {
	since version
	// class names the request in error texts, as the protocol's own server does.
	class string
	parse func(*fields) request // nil: known, and not supported
}

// requests lists every request of either version, by its name on the wire.
//
//nolint:gochecknoglobals // data: the protocol's table
var requests = tableOf(connectionRequests(), accountRequests(), sessionRequests(), messagingRequests(), conferenceRequests())

func tableOf(parts ...map[string]requestType) map[string]requestType {
	all := map[string]requestType{}
	for _, part := range parts {
		maps.Copy(all, part)
	}
	return all
}

func connectionRequests() map[string]requestType {
	return map[string]requestType{
		"ping": {v2, "PingRequest", func(*fields) request { return ping{} }},
	}
}

func accountRequests() map[string]requestType {
	return map[string]requestType{
		"account-add":        {v1, "AccountAddRequest", parseAccountAdd},
		"account-remove":     {v1, "AccountRemoveRequest", func(f *fields) request { return &accountRemove{f.aor("account")} }},
		"account-register":   {v1, "AccountRegisterRequest", func(f *fields) request { return &accountRegister{f.aor("account")} }},
		"account-unregister": {v1, "AccountUnregisterRequest", func(f *fields) request { return &accountUnregister{f.aor("account")} }},
	}
}

func sessionRequests() map[string]requestType {
	return map[string]requestType{
		"session-create":    {v1, "SessionCreateRequest", parseSessionCreate},
		"session-answer":    {v1, "SessionAnswerRequest", parseSessionAnswer},
		"session-trickle":   {v1, "SessionTrickleRequest", parseSessionTrickle},
		"session-terminate": {v1, "SessionTerminateRequest", func(f *fields) request { return &sessionTerminate{f.id("session")} }},
		"session-update":    {v2, "SessionUpdateRequest", parseSessionUpdate},
		"session-dtmf-info": {v2, "SessionDTMFInfoRequest", parseSessionDTMF},
	}
}

// conferenceRequests are answered with an error: there are no conferences.
func conferenceRequests() map[string]requestType {
	return map[string]requestType{
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
}
