package sylkrtc

import (
	"bytes"
	"encoding/json"
	"strings"
	"time"
)

// What clients write to each other. Content is opaque, and most often encrypted.
type (
	// written is what a message has in and outside of a call.
	written struct {
		id, content, contentType, timestamp string
		metadata                            string
	}
	accountMessage struct {
		written
		account, uri string
	}
	sessionMessage struct {
		written
		session string
	}
	// disposition says what became of a message that came.
	disposition struct{ account, uri, id, state, timestamp string }
)

const (
	maxMessageID   = 200 // a UUID, and the number of a piece
	maxContentType = 128
	maxTimestamp   = 64
	maxMetadata    = 4096
)

// messageID reads a mandatory id of a message.
func (f *fields) messageID(name string) string {
	s := f.text(name)
	if f.wrong == "" && (s == "" || len(s) > maxMessageID || strings.ContainsFunc(s, isControl)) {
		f.invalid(name)
	}
	return s
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

// contact reads a mandatory address of record, as user@domain in its canonical
// spelling.
func (f *fields) contact(name string) string {
	a, ok := parseAOR(f.aor(name))
	if f.wrong != "" || !ok {
		return ""
	}
	return a.AOR()
}

// when reads a mandatory point in time (ISO 8601). It is given as it was sent.
func (f *fields) when(name string) string {
	s := f.text(name)
	if f.wrong != "" {
		return ""
	}
	if _, ok := timeOf(s); !ok {
		f.invalid(name)
	}
	return s
}

func timeOf(s string) (time.Time, bool) {
	if len(s) > maxTimestamp {
		return time.Time{}, false
	}
	t, err := time.Parse(time.RFC3339, s)
	return t, err == nil
}

// contentType reads a mandatory media type, without looking into its parameters.
func (f *fields) contentType(name string) string {
	s := f.text(name)
	kind, sub, ok := strings.Cut(mediaType(s), "/")
	if f.wrong == "" && (!ok || !isToken(kind) || !isToken(sub) || len(s) > maxContentType || strings.ContainsFunc(s, isControl)) {
		f.invalid(name)
	}
	return s
}

// mediaType gives a content type without its parameters, in lower case.
func mediaType(s string) string {
	s, _, _ = strings.Cut(s, ";")
	return strings.ToLower(strings.TrimSpace(s))
}

// isToken says whether s is a token of RFC 2045 section 5.1.
func isToken(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`()<>@,;:\"/[]?=`, r)
	})
}

func (f *fields) written() written {
	w := written{
		id: f.messageID("message_id"), content: f.text("content"),
		contentType: f.contentType("content_type"), timestamp: f.when("timestamp"),
	}
	// What is too large or no text is left out, as the protocol's own server does.
	if s, ok := textOf(f.m["metadata"]); ok && len(s) <= maxMetadata {
		w.metadata = s
	}
	return w
}

func parseAccountMessage(f *fields) request {
	return &accountMessage{account: f.aor("account"), uri: f.aor("uri"), written: f.written()}
}

func parseSessionMessage(f *fields) request {
	return &sessionMessage{session: f.id("session"), written: f.written()}
}

func parseDisposition(f *fields) request {
	r := &disposition{
		account: f.aor("account"), uri: f.contact("uri"), id: f.messageID("message_id"),
		state: f.text("state"), timestamp: f.when("timestamp"),
	}
	switch r.state {
	case stateDelivered, stateFailed, stateDisplayed, stateForbidden, stateError:
	default:
		f.invalid("state")
	}
	return r
}

// States of a message, in the order in which they come; the last ones are ends.
const (
	statePending   = "pending"
	stateAccepted  = "accepted"
	stateDelivered = "delivered"
	stateDisplayed = "displayed"
	stateFailed    = "failed"
	stateForbidden = "forbidden"
	stateError     = "error"
	stateReceived  = "received" // of what came
)

// after says whether a message in state old can get into state s.
func after(old, s string) bool {
	rank := func(s string) int {
		switch s {
		case statePending:
			return 0
		case stateAccepted:
			return 1
		case stateDelivered:
			return 2
		}
		return 3
	}
	return rank(s) > rank(old)
}

// Events of an account, without the account: every connection spells that in its
// own way.
type (
	messageEvent struct {
		Event       string   `json:"event"`
		Sender      identity `json:"sender"`
		Timestamp   string   `json:"timestamp"`
		Disposition []string `json:"disposition_notification"`
		MessageID   string   `json:"message_id"`
		ContentType string   `json:"content_type"`
		Content     string   `json:"content"`
		Metadata    string   `json:"metadata,omitempty"`
	}
	dispositionEvent struct {
		Event     string `json:"event"`
		MessageID string `json:"message_id"`
		Timestamp string `json:"message_timestamp"`
		State     string `json:"state"`
		Code      int    `json:"code"`
		Reason    string `json:"reason"`
	}
	syncEvent struct {
		Event   string `json:"event"`
		Type    string `json:"type"`
		Action  string `json:"action"`
		Content any    `json:"content"`
	}
	// sentContent is what another connection of the account sent.
	sentContent struct {
		Account     string `json:"account"`
		URI         string `json:"uri"`
		Contact     string `json:"contact"`
		MessageID   string `json:"message_id"`
		Content     string `json:"content"`
		ContentType string `json:"content_type"`
		Timestamp   string `json:"timestamp"`
		Direction   string `json:"direction"`
		Metadata    string `json:"metadata,omitempty"`
	}
)

// event is an account-event or session-event whose fields are written already.
type event struct {
	of   string // "account" or "session"
	name string // of that, as the client knows it
	body json.RawMessage
}

// encode implements message: the event's name first, then what it has. sylkRTC-1
// knows none of these.
func (e event) encode(v version) ([]byte, bool) {
	if v != v2 || !bytes.HasPrefix(e.body, []byte(`{"`)) { // as fieldsOf writes them
		return nil, false
	}
	head, ok := marshal(e.name)
	if !ok {
		return nil, false
	}
	text := make([]byte, 0, len(head)+len(e.body)+48)
	text = append(text, `{"sylkrtc":"`...)
	text = append(text, e.of...)
	text = append(text, `-event","`...)
	text = append(text, e.of...)
	text = append(text, `":`...)
	text = append(text, head...)
	text = append(text, ',')
	return append(text, e.body[1:]...), true
}

// fieldsOf writes an event's fields.
func fieldsOf(v any) json.RawMessage {
	text, ok := marshal(v)
	if !ok {
		return nil // cannot be: nothing but texts and numbers
	}
	return text
}

func dispositionOf(id, timestamp, state string, code int, reason string) dispositionEvent {
	return dispositionEvent{
		Event: "disposition-notification", MessageID: id, Timestamp: timestamp, State: state, Code: code, Reason: reason,
	}
}

// wanted are the notifications that are asked of a message's recipient.
func wanted() []string { return []string{"positive-delivery", "display"} }
