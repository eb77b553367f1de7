package matrix

import (
	"encoding/json"
	"math"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/schema"
)

// Types of call events (Matrix specification, module "Voice over IP"; the last two
// are MSC3086 and MSC2747).
const (
	typeInvite     = "m.call.invite"
	typeCandidates = "m.call.candidates"
	typeAnswer     = "m.call.answer"
	typeSelect     = "m.call.select_answer"
	typeReject     = "m.call.reject"
	typeHangup     = "m.call.hangup"
	typeNegotiate  = "m.call.negotiate"
	typeMetadata   = "m.call.sdp_stream_metadata_changed"
	typeIdentity   = "org.matrix.call.asserted_identity"
	typeReplaces   = "m.call.replaces"

	typeMetadataUnstable = "org.matrix.call.sdp_stream_metadata_changed"
)

// callTypePrefixes begin the types of all call events, also of those not known.
func isCallType(t string) bool {
	return strings.HasPrefix(t, "m.call.") || strings.HasPrefix(t, "org.matrix.call.")
}

// maxID is the longest call and party id.
const maxID = 255

// version0 is the call version of old clients; every other text is read as "1".
const (
	version0 = "0"
	version1 = "1"
)

// content is what a call event says, of whatever type.
type content struct {
	CallID  string
	PartyID string // "" in version 0
	Version string // version0 or version1

	Lifetime        time.Duration
	Invitee         string
	SDP             string // of offer, answer or description
	SDPType         string // "offer" or "answer"
	Candidates      []wireCandidate
	End             bool // no further candidates
	Reason          string
	SelectedPartyID string
}

// wireCandidate is one ICE candidate. mLine is -1 where it is absent.
type wireCandidate struct {
	candidate, mid string
	mLine          int32
}

// raw is the JSON of a call event's content; numbers and versions are read with
// tolerance, since clients differ.
type raw struct {
	CallID      string          `json:"call_id"`
	PartyID     string          `json:"party_id"`
	Version     json.RawMessage `json:"version"`
	Lifetime    *float64        `json:"lifetime"`
	Invitee     string          `json:"invitee"`
	Offer       *rawSDP         `json:"offer"`
	Answer      *rawSDP         `json:"answer"`
	Description *rawSDP         `json:"description"`
	Candidates  []rawCandidate  `json:"candidates"`
	Reason      string          `json:"reason"`
	Selected    string          `json:"selected_party_id"`
}

type rawSDP struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
}

type rawCandidate struct {
	Candidate string   `json:"candidate"`
	Mid       string   `json:"sdpMid"`
	MLine     *float64 `json:"sdpMLineIndex"`
}

// maxCandidates is how many candidates of one event are taken.
const maxCandidates = 64

// parse reads a call event's content. The error is a *schema.Error with
// CODE_INVALID that names the field; what was understood is returned with it, so
// that a refusal can say what it refuses.
func parse(kind string, data []byte) (content, error) {
	var r raw
	if err := json.Unmarshal(data, &r); err != nil {
		var ids struct {
			CallID  string          `json:"call_id"`
			Version json.RawMessage `json:"version"`
		}
		_ = json.Unmarshal(data, &ids) // as far as it can be read
		c := content{CallID: ids.CallID, Version: versionOf(ids.Version)}
		if !validID(c.CallID) {
			c.CallID = ""
		}
		return c, schema.Invalid("content", "a field of the wrong type: %v", err)
	}
	c := content{
		CallID: r.CallID, PartyID: r.PartyID, Version: versionOf(r.Version),
		Invitee: r.Invitee, Reason: r.Reason, SelectedPartyID: r.Selected,
	}
	if !validID(c.CallID) {
		c.CallID = ""
		return c, schema.Invalid("call_id", "must be 1 to 255 of letters, digits and ._~-")
	}
	if c.Version == version0 {
		c.PartyID = ""
	} else if !validID(c.PartyID) {
		return c, schema.Invalid("party_id", "must be 1 to 255 of letters, digits and ._~-")
	}
	return c, c.readBody(kind, &r)
}

// readBody reads what a type has of its own.
func (c *content) readBody(kind string, r *raw) error {
	switch kind {
	case typeInvite:
		c.Lifetime = lifetimeOf(r.Lifetime)
		return c.readSDP("offer", r.Offer, "offer")
	case typeAnswer:
		return c.readSDP("answer", r.Answer, "answer")
	case typeNegotiate:
		c.Lifetime = lifetimeOf(r.Lifetime)
		return c.readSDP("description", r.Description, "offer", "answer")
	case typeCandidates:
		c.readCandidates(r.Candidates)
	case typeSelect:
		if !validID(c.SelectedPartyID) {
			return schema.Invalid("selected_party_id", "must be 1 to 255 of letters, digits and ._~-")
		}
	}
	return nil
}

func (c *content) readSDP(field string, d *rawSDP, kinds ...string) error {
	if d == nil || d.SDP == "" {
		return schema.Invalid(field+".sdp", "missing")
	}
	c.SDP, c.SDPType = d.SDP, d.Type
	for _, k := range kinds {
		if d.Type == k {
			return nil
		}
	}
	return schema.Invalid(field+".type", "must be %s", strings.Join(kinds, " or "))
}

func (c *content) readCandidates(all []rawCandidate) {
	for _, r := range all {
		if r.Candidate == "" { // the end of candidates
			c.End = true
			continue
		}
		w := wireCandidate{candidate: r.Candidate, mid: r.Mid, mLine: -1}
		if m := r.MLine; m != nil && *m >= 0 && *m < 1024 && *m == math.Trunc(*m) {
			w.mLine = int32(*m)
		}
		if len(c.Candidates) < maxCandidates {
			c.Candidates = append(c.Candidates, w)
		}
	}
}

// versionOf reads the call version: the integer 0 is version 0 (so is "0"), all
// else is to be read as "1" (Matrix specification, "Call version").
func versionOf(data json.RawMessage) string {
	switch strings.Trim(string(data), `" `) {
	case "0":
		return version0
	}
	return version1
}

// defaultLifetime is what an invite without a usable lifetime lives: what the
// specification recommends at least.
const defaultLifetime = 90 * time.Second

// maxLifetime bounds what a client may say.
const maxLifetime = time.Hour

func lifetimeOf(ms *float64) time.Duration {
	if ms == nil || math.IsNaN(*ms) || *ms <= 0 {
		return defaultLifetime
	}
	return time.Duration(min(*ms, float64(maxLifetime/time.Millisecond))) * time.Millisecond
}

// validID holds for call and party ids.
func validID(s string) bool {
	if s == "" || len(s) > maxID {
		return false
	}
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || strings.IndexByte("._~-", c) >= 0 {
			continue
		}
		return false
	}
	return true
}
