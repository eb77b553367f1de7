package matrix

import (
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// TestReasonsAreMapped: every reason has a word that clients know, and those that a
// person should tell apart have words of their own.
func TestReasonsAreMapped(t *testing.T) {
	known := []string{
		reasonICEFailed, reasonInviteTimeout, reasonUserHangup, reasonMediaFailed, reasonUserBusy, reasonUnknown, reasonElsewhere,
	}
	for n, name := range callv1.Reason_name {
		if got := hangupReason(callv1.Reason(n)); !slices.Contains(known, got) {
			t.Errorf("%s is %q", name, got)
		}
	}
	for r, want := range map[callv1.Reason]string{
		callv1.Reason_REASON_BUSY: reasonUserBusy, callv1.Reason_REASON_NO_ANSWER: reasonInviteTimeout,
		callv1.Reason_REASON_NORMAL: reasonUserHangup, callv1.Reason_REASON_ANSWERED_ELSEWHERE: reasonElsewhere,
		callv1.Reason_REASON_MEDIA_FAILED: reasonICEFailed, callv1.Reason_REASON_NOT_FOUND: reasonUnknown,
	} {
		if got := hangupReason(r); got != want {
			t.Errorf("%s is %q, want %q", r, got, want)
		}
	}
}

// TestCodesAreMapped: a call that is refused for whatever reason ends for one.
func TestCodesAreMapped(t *testing.T) {
	for n, name := range callv1.Code_name {
		if reasonOfCode(callv1.Code(n)) == callv1.Reason_REASON_UNSPECIFIED {
			t.Errorf("%s has no reason", name)
		}
	}
}

func TestEndReason(t *testing.T) {
	for _, c := range []struct {
		text             string
		answered, called bool
		want             callv1.Reason
	}{
		{"user_hangup", false, true, callv1.Reason_REASON_DECLINED},
		{"", false, true, callv1.Reason_REASON_DECLINED},
		{"user_busy", false, true, callv1.Reason_REASON_BUSY},
		{"user_busy", true, true, callv1.Reason_REASON_UNSPECIFIED},
		{"user_hangup", false, false, callv1.Reason_REASON_UNSPECIFIED},
		{"user_hangup", true, false, callv1.Reason_REASON_UNSPECIFIED},
		{"ice_failed", true, true, callv1.Reason_REASON_MEDIA_FAILED},
		{"ice_timeout", false, false, callv1.Reason_REASON_MEDIA_FAILED},
		{"user_media_failed", false, true, callv1.Reason_REASON_MEDIA_FAILED},
		{"something new", true, false, callv1.Reason_REASON_UNSPECIFIED},
	} {
		if got := endReason(c.text, c.answered, c.called); got != c.want {
			t.Errorf("%q, answered %v, called %v: %s, want %s", c.text, c.answered, c.called, got, c.want)
		}
	}
}

func TestMetadataOf(t *testing.T) {
	for _, c := range []struct {
		name, sdp string
		want      map[string]streamMetadata
	}{
		{"audio", "v=0\r\nm=audio 9 X 0\r\na=msid:s t\r\na=sendrecv\r\n", map[string]streamMetadata{"s": {"m.usermedia", false, true}}},
		{"audio and video of one stream", "m=audio 9 X 0\r\na=msid:s a\r\nm=video 9 X 0\r\na=msid:s v\r\na=sendonly\r\n",
			map[string]streamMetadata{"s": {"m.usermedia", false, false}}},
		{"a line that does not send", "m=audio 9 X 0\r\na=msid:s a\r\nm=video 9 X 0\r\na=msid:s v\r\na=inactive\r\n",
			map[string]streamMetadata{"s": {"m.usermedia", false, true}}},
		{"two streams", "m=audio 9 X 0\na=msid:s a\nm=video 9 X 0\na=msid:u v\n",
			map[string]streamMetadata{"s": {"m.usermedia", false, true}, "u": {"m.usermedia", true, false}}},
		{"a camera and a screen", "m=audio 9 X 0\na=msid:s a\nm=video 9 X 0\na=msid:s v\nm=video 9 X 0\na=msid:w v\na=inactive\n",
			map[string]streamMetadata{"s": {"m.usermedia", false, false}, "w": {"m.screenshare", true, true}}},
		{"two pictures of one stream", "m=video 9 X 0\na=msid:s v\nm=video 9 X 0\na=msid:s w\n",
			map[string]streamMetadata{"s": {"m.usermedia", true, false}}},
		{"by source", "m=audio 9 X 0\r\na=ssrc:1 msid:s a\r\na=ssrc:1 cname:x\r\n", map[string]streamMetadata{"s": {"m.usermedia", false, true}}},
		{"no stream", "m=audio 9 X 0\r\na=msid:- a\r\n", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := metadataOf(c.sdp); !reflect.DeepEqual(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

func TestGhosts(t *testing.T) {
	for address, want := range map[string]string{
		"tel:+12025550103":         "tandem_12025550103",
		"sip:bob@example.com":      "tandem_bob=40example.com",
		"sip:Bob.x+y@example.com":  "tandem_=42ob.x=2by=40example.com",
		"sip:j%C3%BCrgen@a.test":   "tandem_j=25=433=25=42=43rgen=40a.test",
		"matrix:u/bob:example.org": "",
	} {
		a, err := schema.ParseAddress(address)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := ghostLocalpart(GhostPrefix, a)
		if want == "" {
			if ok {
				t.Errorf("%s has the ghost %s", address, got)
			}
			continue
		}
		if !ok || got != want {
			t.Errorf("%s has the ghost %s, %v; want %s", address, got, ok, want)
		}
		if back, ok := ghostAddress(GhostPrefix, got); !ok || back != a {
			t.Errorf("%s stands for %s, want %s", got, back, a)
		}
	}
	for _, other := range []string{
		"tandem", "tandem_", "bob", "tandem_bob", "tandem_bob=4", "tandem_bob=zzx", "tandem_Bob=40example.com",
		"tandem_bob=40EXAMPLE.com", "tandem_=62ob=40example.com", "tandem_0", "tandem_=2b12025550103=40x.test",
	} {
		if a, ok := ghostAddress(GhostPrefix, other); ok {
			t.Errorf("%s stands for %s", other, a)
		}
	}
}

// TestGhostsAreOneToOne: any account has a ghost of its own, and no two share one.
func TestGhostsAreOneToOne(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	const letters = "abzABZ019.-_+=~!$&'*/ü"
	seen := map[string]schema.Address{}
	for range 5000 {
		var user strings.Builder
		for range 1 + r.IntN(6) {
			runes := []rune(letters)
			user.WriteRune(runes[r.IntN(len(runes))])
		}
		a, err := schema.ParseDialled(user.String()+"@x.test", "")
		if err != nil {
			continue
		}
		local, ok := ghostLocalpart(GhostPrefix, a)
		if !ok {
			t.Fatalf("%s has no ghost", a)
		}
		if other, taken := seen[local]; taken && other != a {
			t.Fatalf("%s and %s share %s", a, other, local)
		}
		seen[local] = a
		if back, ok := ghostAddress(GhostPrefix, local); !ok || back != a {
			t.Fatalf("%s stands for %s, want %s", local, back, a)
		}
	}
}
