//go:build goolm

package encryption

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/tests/internal/dendrite"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/matrixphone"
)

// A client of another make, matrix-js-sdk with the cryptography of the Rust SDK,
// understands us and is understood.
func TestBrowser(t *testing.T) {
	s := newSite(t)
	k := s.keeper(t)
	alice, ghost := s.User(t, "alice"), s.ghost(t, "2001")
	k.ensure(t, ghost)
	phone := shared.site.Open(t, shared.browser, s.Server, alice, matrixphone.Options{Encrypt: true})
	room := id.RoomID(alice.CreateRoom(t, dendrite.Room{Invite: []string{string(ghost)}, Direct: true, Encrypted: true}))
	s.as(t, ghost, http.MethodPost, "/join/"+string(room), map[string]any{}, nil)
	phone.Join(string(room)) // it knows the room from here on
	for _, call := range []string{"first", "second"} {
		s.post(t, ghost, room, k.sealAs(t, ghost, room, id.UserID(alice.ID), "m.call.invite", invite(call)))
		phone.AwaitState(within, "incoming")
		phone.Reject()
		var found *event.Event
		harness.Eventually(t, within, "the rejection", func() (bool, string) {
			for _, e := range alice.Timeline(t, string(room)) {
				if e.Sender != alice.ID || e.Type != "m.room.encrypted" {
					continue
				}
				enc := s.event(t, ghost, room, id.EventID(e.ID))
				if got := k.open(t, ghost, enc); strings.HasPrefix(got, "m.call.reject ") && strings.Contains(got, `"`+call+`"`) {
					found = enc
				}
			}
			return found != nil, fmt.Sprint(len(alice.Timeline(t, string(room))), " events")
		})
		phone.AwaitEnded(within, "local: user_hangup")
	}
}

// invite is an invitation to a call that nobody will take.
func invite(call string) string {
	sdp := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\na=msid-semantic: WMS s\r\n" +
		"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:0\r\na=sendrecv\r\na=rtcp-mux\r\na=setup:actpass\r\n" +
		"a=ice-ufrag:abcd\r\na=ice-pwd:abcdefghijklmnopqrstuvwx\r\na=rtpmap:111 opus/48000/2\r\na=msid:s a\r\na=ssrc:1 cname:c\r\na=ssrc:1 msid:s a\r\n" +
		"a=fingerprint:sha-256 " + strings.TrimSuffix(strings.Repeat("AB:", 32), ":") + "\r\n"
	out, _ := json.Marshal(map[string]any{ //nolint:errchkjson // strings and numbers
		"call_id": call, "version": "1", "party_id": "g", "lifetime": time.Minute.Milliseconds(),
		"offer": map[string]string{"type": "offer", "sdp": sdp},
	})
	return string(out)
}
