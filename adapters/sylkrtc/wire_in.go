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
	if !known {
		return nil, &badField{fr.transaction, "unknown WebSocket request: " + printable(name)}
	}
	fr.name = name
	if t.parse == nil {
		fr.body = unsupported{}
		return fr, nil
	}
	if t.since == v2 && v == v1 {
		return nil, &badField{fr.transaction, name + " is not supported by " + string(v1)}
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
