package callspec

import (
	"encoding/json"
	"strings"
	"testing"
)

// valid has one right event of each type and version.
var valid = map[string][]string{
	Invite: {
		`{"call_id":"c","version":"1","party_id":"p","lifetime":60000,"offer":{"type":"offer","sdp":"v=0\r\n"},"invitee":"@b:s","capabilities":{"m.call.dtmf":true},"sdp_stream_metadata":{"x":{"purpose":"m.usermedia","audio_muted":false}}}`,
		`{"call_id":"c","version":0,"lifetime":60000,"offer":{"type":"offer","sdp":"v=0\r\n"}}`,
	},
	Candidates: {
		`{"call_id":"c","version":"1","party_id":"p","candidates":[{"candidate":"candidate:1","sdpMid":"0","sdpMLineIndex":0},{"candidate":""}]}`,
		`{"call_id":"c","version":0,"candidates":[{"candidate":"candidate:1","sdpMLineIndex":1}]}`,
	},
	Answer: {
		`{"call_id":"c","version":"1","party_id":"p","answer":{"type":"answer","sdp":"v=0\r\n"}}`,
		`{"call_id":"c","version":0,"answer":{"type":"answer","sdp":"v=0\r\n"}}`,
	},
	SelectAnswer: {`{"call_id":"c","version":"1","party_id":"p","selected_party_id":"q"}`},
	Reject:       {`{"call_id":"c","version":"1","party_id":"p"}`},
	Hangup: {
		`{"call_id":"c","version":"1","party_id":"p","reason":"user_busy"}`,
		`{"call_id":"c","version":0}`,
	},
	Negotiate: {`{"call_id":"c","version":"1","party_id":"p","lifetime":1,"description":{"type":"answer","sdp":"v=0\r\n"}}`},
	Streams:   {`{"call_id":"c","version":"1","party_id":"p","sdp_stream_metadata":{}}`},
	Identity:  {`{"call_id":"c","version":"1","party_id":"p","asserted_identity":{"id":"@a:s","display_name":"A"}}`},
	Replaces:  {`{"call_id":"c","version":"1","party_id":"p","replacement_id":"r","create_call":"d"}`},
}

func TestWhatIsRightPasses(t *testing.T) {
	for eventType := range events {
		if len(valid[eventType]) == 0 {
			t.Errorf("%s has no example", eventType)
		}
		for _, content := range valid[eventType] {
			if err := Check(eventType, json.RawMessage(content)); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestWhatIsRequiredIsMissed: each required field, taken away or of another type, is
// noticed.
func TestWhatIsRequiredIsMissed(t *testing.T) {
	for eventType, contents := range valid {
		for _, content := range contents {
			var c map[string]any
			if err := json.Unmarshal([]byte(content), &c); err != nil {
				t.Fatal(err)
			}
			optional := map[string]bool{}
			for _, f := range events[eventType].fields {
				optional[f.name] = f.optional
			}
			for name, v := range c {
				c[name] = 17.5
				if Check(eventType, encode(t, c)) == nil {
					t.Errorf("%s: %s may be a number", eventType, name)
				}
				if delete(c, name); !optional[name] && Check(eventType, encode(t, c)) == nil {
					t.Errorf("%s: %s may be missing", eventType, name)
				}
				c[name] = v
			}
		}
	}
}

func TestWhatIsWrongFails(t *testing.T) {
	for _, c := range []struct{ eventType, from, to string }{
		{Invite, `"version":"1"`, `"version":1`},
		{Invite, `"version":"1"`, `"version":"0"`},
		{Invite, `"call_id":"c"`, `"call_id":"a/b"`},
		{Invite, `"call_id":"c"`, `"call_id":""`},
		{Invite, `"party_id":"p"`, `"party_id":"` + strings.Repeat("p", 256) + `"`},
		{Invite, `"lifetime":60000`, `"lifetime":0`},
		{Invite, `"type":"offer"`, `"type":"answer"`},
		{Invite, `v=0\r\n`, `v=0\n`},
		{Invite, `"@b:s"`, `"b"`},
		{Invite, `"m.usermedia"`, `"talk"`},
		{Invite, `"m.call.dtmf":true`, `"m.call.dtmf":"yes"`},
		{Candidates, `"sdpMid":"0","sdpMLineIndex":0`, `"x":1`},
		{Candidates, `candidate:1`, `a=candidate:1`},
		{Candidates, `[{`, `[[],{`},
		{Hangup, `user_busy`, `because`},
		{Identity, `"id":"@a:s"`, `"avatar_url":"http://x"`},
		{"m.call.unheard", "", ""},
	} {
		content := `{}`
		if all := valid[c.eventType]; len(all) > 0 {
			content = strings.Replace(all[0], c.from, c.to, 1)
			if content == all[0] {
				t.Errorf("%s has no %s", c.eventType, c.from)
			}
		}
		if err := Check(c.eventType, json.RawMessage(content)); err == nil {
			t.Errorf("%s passes: %s", c.eventType, content)
		}
	}
	for eventType := range map[string]bool{SelectAnswer: true, Reject: true, Negotiate: true, Streams: true} {
		content := strings.Replace(strings.Replace(valid[eventType][0], `"version":"1"`, `"version":0`, 1), `"party_id":"p",`, "", 1)
		if Check(eventType, json.RawMessage(content)) == nil {
			t.Errorf("%s passes in version 0", eventType)
		}
	}
}

func TestOtherEventsAreNotLookedAt(t *testing.T) {
	if err := Check("m.room.message", json.RawMessage(`[`)); err != nil {
		t.Error(err)
	}
}

func encode(t *testing.T, v any) json.RawMessage {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
