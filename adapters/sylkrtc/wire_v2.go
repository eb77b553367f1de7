package sylkrtc

// sylkRTC-2: hyphens, and everything flat.

func encodeV2(m any) ([]byte, bool) {
	switch m := m.(type) {
	case ready:
		return marshal(struct {
			SylkRTC string `json:"sylkrtc"`
		}{"ready-event"})
	case registrationState:
		return marshal(struct {
			SylkRTC string `json:"sylkrtc"`
			Account string `json:"account"`
			Event   string `json:"event"`
			State   string `json:"state"`
			Reason  string `json:"reason,omitempty"`
		}{"account-event", m.account, "registration-state", m.state, m.reason})
	case incomingSession:
		if m.headers == nil {
			m.headers = map[string]string{} // clients look into it without asking
		}
		return marshal(struct {
			SylkRTC    string            `json:"sylkrtc"`
			Account    string            `json:"account"`
			Event      string            `json:"event"`
			Session    string            `json:"session"`
			Originator identity          `json:"originator"`
			SDP        string            `json:"sdp"`
			CallID     string            `json:"call_id"`
			Headers    map[string]string `json:"headers"`
		}{"account-event", m.account, "incoming-session", m.session, m.originator, m.sdp, m.callID, m.headers})
	case missedSession:
		return marshal(struct {
			SylkRTC    string   `json:"sylkrtc"`
			Account    string   `json:"account"`
			Event      string   `json:"event"`
			Originator identity `json:"originator"`
		}{"account-event", m.account, "missed-session", m.originator})
	case sessionState:
		return marshal(struct {
			SylkRTC string            `json:"sylkrtc"`
			Session string            `json:"session"`
			Event   string            `json:"event"`
			State   string            `json:"state"`
			Code    int               `json:"code,omitempty"`
			SDP     string            `json:"sdp,omitempty"`
			CallID  string            `json:"call_id,omitempty"`
			Headers map[string]string `json:"headers,omitempty"`
			Reason  string            `json:"reason,omitempty"`
		}{"session-event", m.session, "state", m.state, m.code, m.sdp, m.callID, m.headers, m.reason})
	case sessionUpdated:
		return marshal(struct {
			SylkRTC string `json:"sylkrtc"`
			Session string `json:"session"`
			Event   string `json:"event"`
			State   string `json:"state"`
			SDP     string `json:"sdp,omitempty"`
			Reason  string `json:"reason,omitempty"`
		}{"session-event", m.session, "update", m.state, m.sdp, m.reason})
	}
	return nil, false
}
