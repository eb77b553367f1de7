package sylkrtc

import (
	"bytes"
	"encoding/json"
)

// message is one that writes itself, for what only one part of the package says.
type message interface {
	// encode writes the message in a version; ok is false if that cannot say it.
	encode(v version) (text []byte, ok bool)
}

// encode writes a message for a client. ok is false for what the version
// cannot say, which is then not said.
func encode(v version, m any, bareOriginator bool) (text []byte, ok bool) {
	switch m := m.(type) {
	case ack: // the same in both
		return marshal(struct {
			SylkRTC     string `json:"sylkrtc"`
			Transaction string `json:"transaction"`
		}{"ack", m.transaction})
	case message:
		return m.encode(v)
	case failure:
		return marshal(struct {
			SylkRTC     string `json:"sylkrtc"`
			Transaction string `json:"transaction"`
			Error       string `json:"error"`
		}{"error", m.transaction, m.text})
	}
	if v == v1 {
		return encodeV1(m, bareOriginator)
	}
	return encodeV2(m)
}

func marshal(v any) ([]byte, bool) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false) // nothing here ends up in HTML, and SDP stays readable
	if err := e.Encode(v); err != nil {
		return nil, false
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), true
}
