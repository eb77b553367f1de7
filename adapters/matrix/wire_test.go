package matrix

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestParse(t *testing.T) {
	const ids = `"call_id":"c1","party_id":"p1","version":"1"`
	for _, c := range []struct {
		name, kind, data string
		want             func(content) bool
	}{
		{"an invite", typeInvite, `{` + ids + `,"lifetime":60000,"invitee":"@b:x","offer":{"type":"offer","sdp":"v=0"}}`,
			func(c content) bool {
				return c.CallID == "c1" && c.PartyID == "p1" && c.Version == "1" && c.Lifetime == time.Minute && c.Invitee == "@b:x" && c.SDP == "v=0"
			}},
		{"version 0", typeInvite, `{"call_id":"c1","version":0,"lifetime":1,"offer":{"type":"offer","sdp":"x"}}`,
			func(c content) bool {
				return c.Version == version0 && c.PartyID == "" && c.Lifetime == time.Millisecond
			}},
		{"version 0 as text", typeHangup, `{"call_id":"c1","version":"0"}`, func(c content) bool { return c.Version == version0 }},
		{"an unknown version is read as 1", typeHangup, `{"call_id":"c1","party_id":"p","version":"7.vnd"}`,
			func(c content) bool { return c.Version == version1 }},
		{"the version 1 as a number", typeHangup, `{"call_id":"c1","party_id":"p","version":1}`,
			func(c content) bool { return c.Version == version1 }},
		{"no lifetime", typeInvite, `{` + ids + `,"offer":{"type":"offer","sdp":"x"}}`,
			func(c content) bool { return c.Lifetime == defaultLifetime }},
		{"a lifetime without end", typeInvite, `{` + ids + `,"lifetime":1e300,"offer":{"type":"offer","sdp":"x"}}`,
			func(c content) bool { return c.Lifetime == maxLifetime }},
		{"a negative lifetime", typeInvite, `{` + ids + `,"lifetime":-5,"offer":{"type":"offer","sdp":"x"}}`,
			func(c content) bool { return c.Lifetime == defaultLifetime }},
		{"candidates", typeCandidates, `{` + ids + `,"candidates":[{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0},{"candidate":"candidate:2"},{"candidate":""}]}`,
			func(c content) bool {
				return len(c.Candidates) == 2 && c.End && c.Candidates[0] == wireCandidate{"candidate:1", "0", 0} && c.Candidates[1].mLine == -1
			}},
		{"an m-line that is none", typeCandidates, `{` + ids + `,"candidates":[{"candidate":"c","sdpMLineIndex":1.5}]}`,
			func(c content) bool { return c.Candidates[0].mLine == -1 }},
		{"a hangup without a reason", typeHangup, `{` + ids + `}`, func(c content) bool { return c.Reason == "" }},
		{"an answer inside a call", typeNegotiate, `{` + ids + `,"lifetime":10,"description":{"type":"answer","sdp":"x"}}`,
			func(c content) bool { return c.SDPType == "answer" && c.SDP == "x" }},
		{"a choice", typeSelect, `{` + ids + `,"selected_party_id":"p2"}`, func(c content) bool { return c.SelectedPartyID == "p2" }},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parse(c.kind, []byte(c.data))
			if err != nil || !c.want(got) {
				t.Errorf("read as %+v, %v", got, err)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	const ids = `"call_id":"c1","party_id":"p1","version":"1"`
	for _, c := range []struct{ name, kind, data, field string }{
		{"no JSON", typeInvite, `{`, "content"},
		{"no object", typeInvite, `[]`, "content"},
		{"an id of the wrong type", typeInvite, `{"call_id":5}`, "content"},
		{"no id", typeHangup, `{"party_id":"p","version":"1"}`, "call_id"},
		{"an id with a character that may not be", typeHangup, `{"call_id":"a b","party_id":"p","version":"1"}`, "call_id"},
		{"an id that is too long", typeHangup, `{"call_id":"` + strings.Repeat("x", 256) + `","party_id":"p","version":"1"}`, "call_id"},
		{"no party", typeHangup, `{"call_id":"c1","version":"1"}`, "party_id"},
		{"no offer", typeInvite, `{` + ids + `,"lifetime":1}`, "offer.sdp"},
		{"an offer that is an answer", typeInvite, `{` + ids + `,"offer":{"type":"answer","sdp":"x"}}`, "offer.type"},
		{"an offer without a description", typeInvite, `{` + ids + `,"offer":{"type":"offer"}}`, "offer.sdp"},
		{"a provisional answer", typeAnswer, `{` + ids + `,"answer":{"type":"pranswer","sdp":"x"}}`, "answer.type"},
		{"no choice", typeSelect, `{` + ids + `}`, "selected_party_id"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(c.kind, []byte(c.data))
			e, ok := err.(*schema.Error) //nolint:errorlint // by parse's contract
			if !ok || e.Code != callv1.Code_CODE_INVALID || e.Field != c.field {
				t.Errorf("got %v, want CODE_INVALID of %s", err, c.field)
			}
		})
	}
}

// An id is given back with an error only if it is one that could be answered to.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		`{"call_id":"c","party_id":"p","version":"1","lifetime":6e4,"offer":{"type":"offer","sdp":"v=0"}}`,
		`{"call_id":"c","version":0,"candidates":[{"candidate":"","sdpMLineIndex":-1}]}`, `{"call_id":1,"version":{}}`, `null`,
	} {
		f.Add(s)
	}
	kinds := []string{typeInvite, typeAnswer, typeCandidates, typeNegotiate, typeSelect, typeHangup, typeReject}
	f.Fuzz(func(t *testing.T, data string) {
		for _, kind := range kinds {
			c, err := parse(kind, []byte(data))
			if c.CallID != "" && !validID(c.CallID) || err == nil && c.CallID == "" {
				t.Errorf("%s: call id %q, %v", kind, c.CallID, err)
			}
			if c.Version != version0 && c.Version != version1 && err == nil {
				t.Errorf("%s: version %q", kind, c.Version)
			}
			if err == nil && (c.Lifetime < 0 || c.Lifetime > maxLifetime || len(c.Candidates) > maxCandidates) {
				t.Errorf("%s: %+v is not bounded", kind, c)
			}
		}
	})
}

// TestSaid: what is said has the fields that its version has, and no others.
func TestSaid(t *testing.T) {
	sdp := "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\na=msid:s1 t1\r\na=rtpmap:126 telephone-event/8000\r\n"
	for _, c := range []struct {
		name    string
		content func(*call) any
		want    []string
	}{
		{"invite", func(k *call) any { return k.invite(sdp, "@b:x", time.Minute) },
			[]string{"lifetime", "offer", "invitee", "capabilities", "sdp_stream_metadata", "org.matrix.msc3077.sdp_stream_metadata"}},
		{"answer", func(k *call) any { return k.answer(sdp) },
			[]string{"answer", "capabilities", "sdp_stream_metadata", "org.matrix.msc3077.sdp_stream_metadata"}},
		{"negotiate", func(k *call) any { return k.negotiate("offer", sdp, time.Minute) },
			[]string{"description", "lifetime", "sdp_stream_metadata", "org.matrix.msc3077.sdp_stream_metadata"}},
		{"hangup", func(k *call) any { return wireEnd{wireBase: k.base(), Reason: reasonUserHangup} }, []string{"reason"}},
		{"select", func(k *call) any { return wireSelect{wireBase: k.base(), Selected: "p"} }, []string{"selected_party_id"}},
		{"identity", func(k *call) any { return wireIdentity{wireBase: k.base()} }, []string{"asserted_identity"}},
	} {
		for version, base := range map[string][]string{version1: {"call_id", "party_id", "version"}, version0: {"call_id", "version"}} {
			t.Run(c.name+" of version "+version, func(t *testing.T) {
				data, err := json.Marshal(c.content(&call{CallID: "c", Party: "p", Version: version}))
				if err != nil {
					t.Fatal(err)
				}
				var got map[string]any
				if err := json.Unmarshal(data, &got); err != nil {
					t.Fatal(err)
				}
				for _, f := range append(base, c.want...) {
					if _, ok := got[f]; !ok {
						t.Errorf("%s lacks %s", data, f)
					}
				}
				if len(got) != len(base)+len(c.want) {
					t.Errorf("%s has more fields than it should", data)
				}
				if _, number := got["version"].(float64); number != (version == version0) {
					t.Errorf("the version is %v", got["version"])
				}
			})
		}
	}
}
