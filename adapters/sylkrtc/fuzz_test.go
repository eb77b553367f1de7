package sylkrtc

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"
)

// seeds are requests of both versions as clients send them, and what clients
// should not send.
var seeds = []string{
	`{"sylkrtc":"ping","transaction":"5bb1c6b2"}`,
	`{"account":"alice@example.com","password":"884edfee38ed471b8a15006700139485","sylkrtc":"account-add","transaction":"t"}`,
	`{"sylkrtc":"account-add","transaction":"t","account":"sip:a@b","password":"x","display_name":null,"user_agent":"u","incoming_header_prefixes":["X-",null]}`,
	`{"sylkrtc":"account-register","transaction":"t","account":"alice@example.com"}`,
	`{"sylkrtc":"account-devicetoken","transaction":"t","account":"alice@example.com","token":"x","silent":false}`,
	`{"sylkrtc":"session-create","transaction":"t","session":"s","account":"a@b","uri":"c@d","sdp":"v=0\r\n","headers":[{"name":"X","value":"1"}]}`,
	`{"sylkrtc":"session-answer","transaction":"t","session":"s","sdp":"v=0\r\n"}`,
	`{"sylkrtc":"session-trickle","transaction":"t","session":"s","candidates":[{"candidate":"candidate:0 1 UDP 2130379007 192.0.2.4 59051 typ host ufrag x","sdpMLineIndex":0,"sdpMid":""}]}`,
	`{"sylkrtc":"session-trickle","transaction":"t","session":"s","candidates":[]}`,
	`{"sylkrtc":"session-terminate","transaction":"t","session":"s"}`,
	`{"sylkrtc":"session-dtmf-info","transaction":"t","session":"s","digit":"#","duration":100}`,
	`{"sylkrtc":"session-dtmf-info","transaction":"t","session":"s","digit":"12a*"}`,
	`{"sylkrtc":"videoroom-join","transaction":"t"}`,
	`{"sylkrtc":"no-such","transaction":"t"}`,
	`{"transaction":"t","sylkrtc":"ping"`,
	`{"transaction":7,"sylkrtc":"ping"}`,
	`[]`, `null`, `7`, `"x"`, ``, "{\"transaction\":\"\xff\",\"sylkrtc\":\"ping\"}",
}

// FuzzParse: whatever a client sends is a request, or an error that names the
// transaction it can be answered with, and never more than that.
func FuzzParse(f *testing.F) {
	for _, s := range seeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, v := range []version{v1, v2} {
			fr, err := parse(v, text)
			var bad *badFrame
			var wrong *badField
			switch {
			case err == nil:
				if fr.transaction == "" || fr.name == "" || fr.body == nil {
					t.Fatalf("%q: an incomplete request %+v", text, fr)
				}
				checkBody(t, fr.body)
				answer(t, ack{fr.transaction})
			case errors.As(err, &bad):
				if bad.text == "" {
					t.Fatalf("%q: no error text", text)
				}
				answer(t, failure{bad.transaction, bad.text})
			case errors.As(err, &wrong):
				if wrong.transaction == "" || wrong.text == "" {
					t.Fatalf("%q: %+v cannot be answered", text, wrong)
				}
				answer(t, failure{wrong.transaction, wrong.text})
			default:
				t.Fatalf("%q: %T", text, err)
			}
			_ = salvage(text)
		}
	})
}

// checkBody holds what the rest of the package relies on.
func checkBody(t *testing.T, body any) {
	aor := func(s string) {
		if _, ok := parseAOR(s); !ok {
			t.Fatalf("account %q", s)
		}
	}
	id := func(s string) {
		if s == "" || len(s) > maxID || !utf8.ValidString(s) {
			t.Fatalf("session %q", s)
		}
	}
	switch r := body.(type) {
	case *accountAdd:
		aor(r.account)
		if r.password == "" || len(r.password) > maxPassword {
			t.Fatalf("a password of %d bytes", len(r.password))
		}
		a, _ := parseAOR(r.account)
		credentialsOf(a, r.password)
	case *accountRegister:
		aor(r.account)
	case *sessionCreate:
		id(r.session)
		aor(r.account)
	case *sessionAnswer:
		id(r.session)
	case *sessionTrickle:
		id(r.session)
		if c := canonicalCandidates(r.candidates); len(c.GetCandidates()) > maxCandidates ||
			len(r.candidates) == 0 && !c.GetEnd() {
			t.Fatalf("candidates %v", c)
		}
	case *sessionDTMF:
		if len(r.digits) < 1 || len(r.digits) > maxDigits || strings.ToUpper(r.digits) != r.digits {
			t.Fatalf("digits %q", r.digits)
		}
	}
}

// answer requires that a message is written as one JSON object.
func answer(t *testing.T, m any) {
	for _, v := range []version{v1, v2} {
		text, ok := encode(v, m, false)
		if !ok || !json.Valid(text) {
			t.Fatalf("%+v is written as %q", m, text)
		}
	}
}
