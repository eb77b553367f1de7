package sylkrtc

import (
	"bytes"
	"encoding/json"
)

// encode writes a message for a client. ok is false for what the version
// cannot say, which is then not said.
func encode(v version, m any, bareOriginator bool) (text []byte, ok bool) {
	switch m := m.(type) {
	case ack: // the same in both
		return marshal(struct {
			SylkRTC     string `json:"sylkrtc"`
			Transaction string `json:"transaction"`
		}{"ack", m.transaction})
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
