package sylkrtc

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
)

// fields reads the fields of one request. The first that is wrong is kept, in
// the words of the protocol's own server; all that follows is then ignored.
type fields struct {
	m     map[string]json.RawMessage
	class string
	wrong string
}

// Limits of fields that have no natural one.
const (
	maxID         = 128
	maxPassword   = 9999
	maxName       = 256
	maxSDP        = 64 << 10
	maxHeaders    = 32
	maxPrefixes   = 16
	maxCandidates = 64 // of one signal
	maxCandidate  = 1024
	maxDigits     = 32 // of one request
)

func (f *fields) missing(name string) {
	f.fail(fmt.Sprintf("Mandatory property '%s' of '%s' object is missing", name, f.class))
}

func (f *fields) invalid(name string) {
	f.fail(fmt.Sprintf("Invalid value for '%s' property", name))
}

func (f *fields) fail(text string) {
	if f.wrong == "" {
		f.wrong = text
	}
}

// text reads a mandatory text.
func (f *fields) text(name string) string {
	raw, there := f.m[name]
	if !there {
		f.missing(name)
		return ""
	}
	s, ok := textOf(raw)
	if !ok {
		f.invalid(name)
	}
	return s
}

// id reads a mandatory name of a session.
func (f *fields) id(name string) string {
	s := f.text(name)
	if f.wrong == "" && (s == "" || len(s) > maxID) {
		f.invalid(name)
	}
	return s
}

// sdp reads a mandatory session description.
func (f *fields) sdp(name string) string {
	s := f.text(name)
	if f.wrong == "" && len(s) > maxSDP {
		f.invalid(name)
	}
	return s
}

// optional reads a text that may be missing or null.
func (f *fields) optional(name string) string {
	raw, there := f.m[name]
	if !there || isNull(raw) {
		return ""
	}
	s, ok := textOf(raw)
	if !ok {
		f.invalid(name)
	}
	return s
}

// aor reads a mandatory address of record: user@domain, with or without sip:.
// It is given as it was sent.
func (f *fields) aor(name string) string {
	s := f.text(name)
	if f.wrong != "" {
		return ""
	}
	if _, ok := parseAOR(s); !ok {
		f.fail("invalid SIP URI: " + printable(s))
	}
	return s
}

// headers reads an optional list of {name, value}.
func (f *fields) headers(name string) []header {
	raw, there := f.m[name]
	if !there || isNull(raw) {
		return nil
	}
	list, ok := objects(raw, maxHeaders)
	if !ok {
		f.invalid(name)
		return nil
	}
	out := make([]header, 0, len(list))
	for _, m := range list {
		h := fields{m: m, class: "Header"}
		out = append(out, header{h.text("name"), h.text("value")})
		if h.wrong != "" {
			f.fail(h.wrong)
			return nil
		}
	}
	return out
}

func parseAccountAdd(f *fields) request {
	r := &accountAdd{
		account:     f.aor("account"),
		password:    f.text("password"),
		displayName: schema.CleanText(f.optional("display_name"), maxName),
		userAgent:   schema.CleanText(f.optional("user_agent"), maxName),
	}
	if f.wrong == "" && (r.password == "" || len(r.password) > maxPassword) {
		f.fail("the value's length must be between 1 and " + strconv.Itoa(maxPassword) + " inclusive")
	}
	if raw, there := f.m["incoming_header_prefixes"]; there && !isNull(raw) {
		var list []*string
		if json.Unmarshal(raw, &list) != nil || len(list) > maxPrefixes {
			f.invalid("incoming_header_prefixes")
			return r
		}
		for _, s := range list {
			if s == nil || len(*s) > maxName {
				f.invalid("incoming_header_prefixes")
				return r
			}
			r.headerPrefixes = append(r.headerPrefixes, strings.ToLower(*s))
		}
	}
	return r
}

func parseSessionCreate(f *fields) request {
	return &sessionCreate{
		session: f.id("session"), account: f.aor("account"), uri: f.text("uri"), sdp: f.sdp("sdp"),
		headers: f.headers("headers"),
	}
}

func parseSessionAnswer(f *fields) request {
	return &sessionAnswer{session: f.id("session"), sdp: f.sdp("sdp"), headers: f.headers("headers")}
}

func parseSessionUpdate(f *fields) request {
	return &sessionUpdate{session: f.id("session"), sdp: f.sdp("sdp"), headers: f.headers("headers")}
}

func parseSessionTrickle(f *fields) request {
	r := &sessionTrickle{session: f.id("session")}
	raw, there := f.m["candidates"]
	if !there {
		f.missing("candidates")
		return r
	}
	list, ok := objects(raw, maxCandidates)
	if !ok {
		f.invalid("candidates")
		return r
	}
	for _, m := range list {
		c := fields{m: m, class: "ICECandidate"}
		one := candidate{candidate: c.text("candidate"), mid: c.text("sdpMid"), mLine: c.mLine("sdpMLineIndex")}
		if c.wrong == "" && (len(one.candidate) > maxCandidate || len(one.mid) > maxName) {
			c.invalid("candidate")
		}
		if c.wrong != "" {
			f.fail(c.wrong)
			return r
		}
		r.candidates = append(r.candidates, one)
	}
	return r
}

// parseSessionDTMF takes "digit" for one or more: clients from 1.8 on send all
// that was dialled at once.
func parseSessionDTMF(f *fields) request {
	r := &sessionDTMF{session: f.id("session"), digits: f.text("digit")}
	if f.wrong == "" && (r.digits == "" || len(r.digits) > maxDigits || strings.Trim(r.digits, "0123456789*#ABCDabcd") != "") {
		f.invalid("digit")
	}
	r.digits = strings.ToUpper(r.digits)
	if raw, there := f.m["duration"]; there && !isNull(raw) {
		n, ok := integer(raw)
		if !ok || n < 0 || n > 10_000 {
			f.invalid("duration")
		}
		r.durationMS = uint32(n) //nolint:gosec // bounded above
	}
	return r
}

// mLine reads a mandatory position of an m-line.
func (f *fields) mLine(name string) int32 {
	raw, there := f.m[name]
	if !there {
		f.missing(name)
		return 0
	}
	n, ok := integer(raw)
	if !ok || n < 0 || n > 1<<15 {
		f.invalid(name)
		return 0
	}
	return int32(n) //nolint:gosec // bounded above
}

func isNull(raw json.RawMessage) bool { return string(raw) == "null" }

func textOf(raw json.RawMessage) (string, bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return "", false
	}
	var s string
	err := json.Unmarshal(raw, &s)
	return s, err == nil
}

func integer(raw json.RawMessage) (int64, bool) {
	n, err := strconv.ParseInt(string(raw), 10, 64)
	return n, err == nil
}

func objects(raw json.RawMessage, most int) ([]map[string]json.RawMessage, bool) {
	if len(raw) == 0 || raw[0] != '[' {
		return nil, false
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw, &list) != nil || len(list) > most {
		return nil, false
	}
	for _, m := range list {
		if m == nil {
			return nil, false
		}
	}
	return list, true
}
