package sylkrtc

// sylkRTC-1: underscores in the names of events, what an event says nested in
// "data", "session" beside it. It knows no ringing, no early media (the answer
// brings the description) and no updates.

type eventV1 struct {
	SylkRTC string `json:"sylkrtc"`
	Event   string `json:"event"`
	Account string `json:"account,omitempty"`
	Session string `json:"session,omitempty"`
	Data    any    `json:"data,omitempty"`
}

type stateV1 struct {
	State  string `json:"state"`
	SDP    string `json:"sdp,omitempty"`
	Reason string `json:"reason,omitempty"`
}

func encodeV1(m any, bareOriginator bool) ([]byte, bool) {
	originator := func(i identity) any {
		if bareOriginator { // the form of July 2015
			return i.URI
		}
		return i
	}
	switch m := m.(type) {
	case ready:
		return marshal(eventV1{SylkRTC: "event", Event: "ready"})
	case registrationState:
		return marshal(eventV1{SylkRTC: "account_event", Event: "registration_state", Account: m.account,
			Data: stateV1{State: m.state, Reason: m.reason}})
	case incomingSession:
		return marshal(eventV1{SylkRTC: "account_event", Event: "incoming_session", Account: m.account, Session: m.session,
			Data: struct {
				Originator any    `json:"originator"`
				SDP        string `json:"sdp"`
			}{originator(m.originator), m.sdp}})
	case missedSession:
		return marshal(eventV1{SylkRTC: "account_event", Event: "missed_session", Account: m.account,
			Data: struct {
				Originator any `json:"originator"`
			}{originator(m.originator)}})
	case sessionState:
		if m.state == ringing || m.state == proceeding || m.state == earlyMedia {
			return nil, false
		}
		return marshal(eventV1{SylkRTC: "session_event", Event: "state", Session: m.session,
			Data: stateV1{State: m.state, SDP: m.sdp, Reason: m.reason}})
	}
	return nil, false
}
