package matrix

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"maunium.net/go/mautrix/appservice"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// apiTo gives the API of a homeserver that answers everything alike.
func apiTo(t *testing.T, status int, header map[string]string, body string) *api {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		for k, v := range header {
			w.Header().Set(k, v)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = w.Write([]byte(body))
	}))
	t.Cleanup(s.Close)
	cfg := Defaults()
	cfg.Homeserver = s.URL
	a, err := newAPI(cfg, "token")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(a.close)
	return a
}

// TestFailures: what a homeserver says has a code, and only what may pass is tried
// again.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		name, body string
		status     int
		header     map[string]string
		want       callv1.Code
		after      time.Duration
	}{
		{"too large", `{"errcode":"M_TOO_LARGE","error":"x"}`, 413, nil, callv1.Code_CODE_NOT_ACCEPTABLE, 0},
		{"too large, by code alone", `{"errcode":"M_TOO_LARGE","error":"x"}`, 400, nil, callv1.Code_CODE_NOT_ACCEPTABLE, 0},
		{"limited", `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}`, 429, nil, callv1.Code_CODE_RETRY, 1500 * time.Millisecond},
		{"limited, by header", `{"errcode":"M_LIMIT_EXCEEDED"}`, 429, map[string]string{"Retry-After": "2"}, callv1.Code_CODE_RETRY, 2 * time.Second},
		{"limited for ever", `{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1e15}`, 429, nil, callv1.Code_CODE_RETRY, maxRetryAfter},
		{"limited, no time", `{}`, 429, nil, callv1.Code_CODE_RETRY, 0},
		{"a proxy without a homeserver", `<html>`, 502, nil, callv1.Code_CODE_RETRY, 0},
		{"a proxy that knows none", `404 page not found`, 404, nil, callv1.Code_CODE_RETRY, 0},
		{"a proxy that says nothing", ``, 404, nil, callv1.Code_CODE_RETRY, 0},
		{"a wrong token", `{"errcode":"M_UNKNOWN_TOKEN"}`, 401, nil, callv1.Code_CODE_RETRY, 0},
		{"not in the room", `{"errcode":"M_FORBIDDEN"}`, 403, nil, callv1.Code_CODE_FORBIDDEN, 0},
		{"no such room", `{"errcode":"M_NOT_FOUND"}`, 404, nil, callv1.Code_CODE_NOT_FOUND, 0},
		{"nonsense", `{"errcode":"M_BAD_JSON"}`, 400, nil, callv1.Code_CODE_REJECTED, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := apiTo(t, c.status, c.header, c.body).send(t.Context(), "@b:x", "!r:x", typeHangup, json.RawMessage(`{}`), "txn")
			if got := schema.CodeOf(err); got != c.want {
				t.Errorf("%v has %s, want %s", err, got, c.want)
			}
			var limited retryError
			if errors.As(err, &limited) && limited.after != c.after || c.after > 0 && limited.error == nil {
				t.Errorf("to be tried after %v, want %v", limited.after, c.after)
			}
		})
	}
	cfg := Defaults()
	cfg.Homeserver = "http://127.0.0.1:1"
	a, err := newAPI(cfg, "token")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.send(t.Context(), "@b:x", "!r:x", typeHangup, json.RawMessage(`{}`), "txn"); !again(err) {
		t.Errorf("a homeserver that is not there: %v", err)
	}
}

// TestTooLargeForAnEvent: what no event has room for is not even sent.
func TestTooLargeForAnEvent(t *testing.T) {
	hs := apiTo(t, 200, nil, `{"event_id":"$1"}`)
	cfg := Defaults()
	cfg.Homeserver = hs.template.HomeserverURL.String()
	a := &Adapter{
		cfg: cfg, host: &fakeHost{node: "n1", store: newStore()}, hs: hs, log: slog.New(slog.DiscardHandler),
		reg: &appservice.Registration{AppToken: strings.Repeat("t", 32)},
	}
	x, err := newTerm(t.Context(), a)
	if err != nil {
		t.Fatal(err)
	}
	defer x.close()
	for size, want := range map[int]callv1.Code{
		1000: callv1.Code_CODE_UNSPECIFIED, 60_000: callv1.Code_CODE_UNSPECIFIED,
		65_000: callv1.Code_CODE_NOT_ACCEPTABLE, 200_000: callv1.Code_CODE_NOT_ACCEPTABLE,
	} {
		content := json.RawMessage(`{"x":"` + strings.Repeat("x", size) + `"}`)
		err := x.out.send(t.Context(), &message{Room: id.RoomID("!r:x"), As: "@b:x", Type: typeInvite, Content: content, Txn: "t"})
		if got := schema.CodeOf(err); got != want {
			t.Errorf("%d bytes: %v, want %s", size, err, want)
		}
	}
}
