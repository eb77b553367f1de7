package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
)

// woken is what a web hook is sent.
type woken struct {
	What, ID, Account string
	From              struct {
		DisplayName string `json:"display_name"`
		Addresses   []string
	}
	Devices []struct {
		Token, Platform string
		Silent          bool
	}
}

// A call to somebody who is not signed in wakes her device, which signs in and
// rings.
func TestWakeByCall(t *testing.T) {
	got := make(chan woken, 10)
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		data, _ := io.ReadAll(r.Body)
		var w woken
		if err := json.Unmarshal(data, &w); err != nil || r.Header.Get("Tandem-Signature") == "" {
			t.Errorf("%v: %s", err, data)
		}
		got <- w
	}))
	defer hook.Close()
	x := serve(t, "demo=true", "directory.wake.url="+hook.URL, "directory.wake.secret=0123456789abcdef", "callstate.wake_timeout=20s")
	dial := func(account string, register bool) *sylkrtctest.Client {
		t.Helper()
		c, err := sylkrtctest.Dial(t.Context(), "ws://"+x.Address("sylkrtc")+"/webrtcgateway/ws", sylkrtctest.V2, sylkrtctest.Options{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(c.Close)
		err = c.Request(t.Context(), map[string]any{
			"sylkrtc": "account-add", "account": account, "password": sylkrtctest.HA1(account, "demo"),
		})
		if err == nil && register {
			err = c.Register(t.Context(), account)
		}
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	alice := dial("alice@demo.test", true)
	if err := alice.Request(t.Context(), map[string]any{
		"sylkrtc": "account-devicetoken", "account": "alice@demo.test", "token": "t1", "platform": "ios", "device": "phone", "app": "org.example", "silent": true,
	}); err != nil {
		t.Fatal(err)
	}
	alice.Close() // as a phone whose application is put to sleep
	gone := func() bool {
		_, body := fetch(t, "http://"+x.Address("admin")+"/metrics")
		return strings.Contains(body, `tandem_adapter_terminals{kind="sylkrtc"} 0`)
	}
	for deadline := time.Now().Add(10 * time.Second); !gone(); {
		if time.Now().After(deadline) {
			t.Fatal("alice is still there")
		}
		<-time.After(10 * time.Millisecond)
	}

	bob := dial("bob@demo.test", false)
	if err := bob.Request(t.Context(), map[string]any{
		"sylkrtc": "session-create", "account": "bob@demo.test", "session": "s1", "uri": "alice@demo.test", "sdp": offer(t),
	}); err != nil {
		t.Fatal(err)
	}
	select {
	case w := <-got:
		if w.What != "call" || w.ID == "" || w.Account != "alice@demo.test" || w.From.DisplayName != "Bob" || len(w.Devices) != 1 || w.Devices[0].Token != "t1" || !w.Devices[0].Silent {
			t.Errorf("the hook is sent %+v", w)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the hook is not asked")
	}
	alice = dial("alice@demo.test", true)
	if _, err := alice.Next(t.Context(), func(m sylkrtctest.Message) bool { return m.Event == "incoming-session" }); err != nil {
		t.Errorf("alice does not ring: %v", err)
	}
}

// offer is a browser's, of audio alone.
func offer(t *testing.T) string {
	t.Helper()
	pc, err := webrtc.NewPeerConnection(webrtc.Configuration{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = pc.Close() }()
	if _, err := pc.AddTransceiverFromKind(webrtc.RTPCodecTypeAudio); err != nil {
		t.Fatal(err)
	}
	o, err := pc.CreateOffer(nil)
	if err != nil {
		t.Fatal(err)
	}
	return o.SDP
}

func fetch(t *testing.T, url string) (int, string) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(data)
}
