package sylkrtctest

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Message is what the server said, the same for both versions of the protocol:
// names are those of sylkRTC-2.
type Message struct {
	// Type is "ready-event", "ack", "error", "account-event" or "session-event".
	Type string
	// Event is "state", "registration-state", "incoming-session" and so on.
	Event string

	Transaction, Error string // of answers
	Account, Session   string
	State, Reason      string
	Code               int // of the state "proceeding"
	SDP, CallID        string
	// Originator is who calls; Bare that it came as a text.
	Originator Identity
	Bare       bool
	// Headers is nil when the field is missing or null.
	Headers map[string]string
	// Keys are the names of the fields as they came, sorted; those inside "data"
	// with "data." in front.
	Keys []string
	// Raw is the message as it came.
	Raw string
}

// Identity is a party.
type Identity struct {
	URI         string `json:"uri"`
	DisplayName string `json:"display_name"`
}

// Ready reports whether it is the server's first message.
func (m Message) Ready() bool { return m.Type == "ready-event" }

// decode reads a message strictly: what a version does not say is an error.
func decode(version string, text []byte) (Message, error) {
	var top map[string]json.RawMessage
	if err := json.Unmarshal(text, &top); err != nil {
		return Message{}, fmt.Errorf("not JSON: %w: %s", err, text)
	}
	m := Message{Raw: string(text), Keys: slices.Sorted(maps.Keys(top))}
	str := func(from map[string]json.RawMessage, key string) (s string) {
		if raw, ok := from[key]; ok && json.Unmarshal(raw, &s) != nil {
			s = "not a text: " + string(raw)
		}
		return s
	}
	m.Type, m.Event = str(top, "sylkrtc"), str(top, "event")
	m.Transaction, m.Error = str(top, "transaction"), str(top, "error")
	m.Account, m.Session = str(top, "account"), str(top, "session")
	body := top
	if version == V1 {
		if strings.Contains(m.Type, "-") || strings.Contains(m.Event, "-") {
			return m, fmt.Errorf("a hyphen in a message of sylkRTC-1: %s", text)
		}
		if raw, ok := top["data"]; ok {
			body = nil
			if err := json.Unmarshal(raw, &body); err != nil {
				return m, fmt.Errorf("data is no object: %s", text)
			}
			for _, k := range slices.Sorted(maps.Keys(body)) {
				m.Keys = append(m.Keys, "data."+k)
			}
		}
		if m.Type == "event" && m.Event == "ready" {
			m.Type, m.Event = "ready-event", ""
		}
		m.Type, m.Event = strings.ReplaceAll(m.Type, "_", "-"), strings.ReplaceAll(m.Event, "_", "-")
	} else if _, ok := top["data"]; ok || strings.Contains(m.Type+m.Event, "_") {
		return m, fmt.Errorf("not a message of sylkRTC-2: %s", text)
	}
	m.State, m.Reason = str(body, "state"), str(body, "reason")
	m.SDP, m.CallID = str(body, "sdp"), str(body, "call_id")
	if raw, ok := body["code"]; ok {
		if err := json.Unmarshal(raw, &m.Code); err != nil {
			return m, fmt.Errorf("code: %s", text)
		}
	}
	if raw, ok := body["originator"]; ok {
		if m.Bare = raw[0] == '"'; m.Bare {
			m.Originator.URI = str(body, "originator")
		} else if err := json.Unmarshal(raw, &m.Originator); err != nil {
			return m, fmt.Errorf("originator: %s", text)
		}
	}
	if raw, ok := body["headers"]; ok {
		if err := json.Unmarshal(raw, &m.Headers); err != nil {
			return m, fmt.Errorf("headers: %s", text)
		}
	}
	return m, nil
}

// The requests, each with an answer that is waited for.

// AddAccount adds an account; password goes as it is: see HA1.
func (c *Client) AddAccount(ctx context.Context, account, password string) error {
	return c.Request(ctx, map[string]any{"sylkrtc": "account-add", "account": account, "password": password,
		"display_name": "", "user_agent": "sylkrtctest"})
}

// RemoveAccount removes an account.
func (c *Client) RemoveAccount(ctx context.Context, account string) error {
	return c.Request(ctx, map[string]any{"sylkrtc": "account-remove", "account": account})
}

// Register registers an account and waits until that has come to an end. A
// registration that failed is an *Error with the reason.
func (c *Client) Register(ctx context.Context, account string) error {
	if err := c.Request(ctx, map[string]any{"sylkrtc": "account-register", "account": account}); err != nil {
		return err
	}
	for {
		m, err := c.Next(ctx, func(m Message) bool {
			return m.Event == "registration-state" && m.Account == account
		})
		switch {
		case err != nil:
			return err
		case m.State == "failed":
			return &Error{m.Reason}
		case m.State == "registered":
			return nil
		}
	}
}

// SignIn adds an account with its password in clear and registers it.
func (c *Client) SignIn(ctx context.Context, account, password string) error {
	if err := c.AddAccount(ctx, account, HA1(account, password)); err != nil {
		return err
	}
	return c.Register(ctx, account)
}

// Unregister unregisters an account.
func (c *Client) Unregister(ctx context.Context, account string) error {
	return c.Request(ctx, map[string]any{"sylkrtc": "account-unregister", "account": account})
}

// Create places a call.
func (c *Client) Create(ctx context.Context, session, account, uri, sdp string) error {
	return c.Request(ctx, map[string]any{"sylkrtc": "session-create", "session": session, "account": account,
		"uri": uri, "sdp": sdp})
}

// Answer answers a call.
func (c *Client) Answer(ctx context.Context, session, sdp string) error {
	return c.Request(ctx, map[string]any{"sylkrtc": "session-answer", "session": session, "sdp": sdp})
}

// Candidate is one ICE candidate.
type Candidate struct {
	Candidate string `json:"candidate"`
	MLine     int    `json:"sdpMLineIndex"`
	Mid       string `json:"sdpMid"`
}

// Trickle sends candidates; none means that no more will come.
func (c *Client) Trickle(ctx context.Context, session string, candidates ...Candidate) error {
	if candidates == nil {
		candidates = []Candidate{}
	}
	return c.Request(ctx, map[string]any{"sylkrtc": "session-trickle", "session": session, "candidates": candidates})
}

// Update offers anew in a call, or answers the offer that came there.
func (c *Client) Update(ctx context.Context, session, sdp string) error {
	return c.Request(ctx, map[string]any{"sylkrtc": "session-update", "session": session, "sdp": sdp})
}

// DTMF sends digits; ms is how long each lasts, 0 for what the server takes.
func (c *Client) DTMF(ctx context.Context, session, digits string, ms int) error {
	m := map[string]any{"sylkrtc": "session-dtmf-info", "session": session, "digit": digits}
	if ms != 0 {
		m["duration"] = ms
	}
	return c.Request(ctx, m)
}

// Terminate ends a call.
func (c *Client) Terminate(ctx context.Context, session string) error {
	return c.Request(ctx, map[string]any{"sylkrtc": "session-terminate", "session": session})
}

// Incoming waits for the next incoming call of an account.
func (c *Client) Incoming(ctx context.Context, account string) (Message, error) {
	return c.Next(ctx, func(m Message) bool { return m.Event == "incoming-session" && m.Account == account })
}

// State waits for the next state of a session, whatever it is but "proceeding",
// which comes with another.
func (c *Client) State(ctx context.Context, session string) (Message, error) {
	for {
		m, err := c.Next(ctx, func(m Message) bool {
			return m.Type == "session-event" && m.Event == "state" && m.Session == session
		})
		if err != nil || m.State != "proceeding" {
			return m, err
		}
	}
}

// Updated waits for the next event of an update of a session: "received" with an
// offer, "accepted" with an answer, or "failed" with a reason.
func (c *Client) Updated(ctx context.Context, session string) (Message, error) {
	return c.Next(ctx, func(m Message) bool {
		return m.Type == "session-event" && m.Event == "update" && m.Session == session
	})
}

// Await waits for a state of a session and skips those before it.
func (c *Client) Await(ctx context.Context, session, state string) (Message, error) {
	for {
		m, err := c.State(ctx, session)
		if err != nil {
			return m, fmt.Errorf("waiting for %q: %w", state, err)
		}
		if m.State == state {
			return m, nil
		}
		if m.State == "terminated" {
			return m, fmt.Errorf("waiting for %q: terminated: %s", state, m.Reason)
		}
	}
}
