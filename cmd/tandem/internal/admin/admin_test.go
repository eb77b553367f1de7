package admin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/directory"
	"github.com/tandem-rtc/tandem/services/directory/attempts"
)

var key = schema.NewIDKey([]byte("a secret of the tests"))

// call makes a record that holds everything that must not be shown.
func call(ref string, state callv1.CallState, age time.Duration) *callv1.CallRecord {
	id := key.CallID("alice", "t", ref)
	c := &callv1.CallRecord{
		Id: id, State: state, Dialled: "tel:+12025550102", CreatedAt: timestamppb.New(time.Now().Add(-age)),
		Caller:  &callv1.Party{Subscriber: "alice", Addresses: []string{"sip:alice@demo.test"}},
		Callee:  &callv1.Party{Subscriber: "bob"},
		Headers: []*callv1.Header{{Name: "x", Value: "s3cret"}},
		Legs: []*callv1.Leg{{
			Id: schema.LegID(id, 1), Ordinal: 1, Ref: ref, Terminal: &callv1.Terminal{Subscriber: "alice", Kind: "sylkrtc", Node: "n"},
		}, {
			Id: schema.LegID(id, 2), Ordinal: 2, Terminal: &callv1.Terminal{Subscriber: "bob", Kind: "grpcpipe", Node: "n"},
		}},
		PendingEvents: []*callv1.Event{{Body: &callv1.Event_Incoming{Incoming: &callv1.Incoming{Sdp: "s3cret"}}}},
		Done:          []*callv1.Done{{Reply: &callv1.Reply{Sdp: "s3cret"}}},
		Ladder:        []*callv1.LadderEntry{{What: "offer"}},
	}
	if !Live(c) {
		c.EndedAt, c.Reason = timestamppb.Now(), callv1.Reason_REASON_BUSY
	}
	return c
}

// book is a directory that remembers what it was told.
type book struct {
	put     directory.Subscriber
	removed string
	phone   [2]string
	err     error
}

func (b *book) List() []directory.Listed { return []directory.Listed{{ID: "alice", Source: "config"}} }

func (b *book) Put(_ context.Context, s directory.Subscriber) error { b.put = s; return b.err }

func (b *book) SetPhone(_ context.Context, id, address string) error {
	b.phone = [2]string{id, address}
	return b.err
}

func (b *book) Remove(_ context.Context, id string) error { b.removed = id; return b.err }

type openPort struct {
	*Server
	t     *testing.T
	url   string
	book  *book
	ready *[]string
}

func start(t *testing.T, token string, calls ...*callv1.CallRecord) *openPort {
	t.Helper()
	d := membus.NewServer().Connect()
	t.Cleanup(func() { _ = d.Close() })
	for _, c := range calls {
		data, err := proto.Marshal(c)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Records().Commit(t.Context(), bus.Write{Subject: schema.RecordSubject(c.GetId(), c.GetCaller().GetSubscriber(), c.GetCallee().GetSubscriber()), Data: data}); err != nil {
			t.Fatal(err)
		}
	}
	missing := []string{}
	s := New(Config{
		Token: token, Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler),
		Ready: func() (bool, []string) { return len(missing) == 0, missing },
	})
	b := &book{}
	s.SetRecords(d.Records())
	s.SetDirectory(b)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return &openPort{s, t, h.URL, b, &missing}
}

func (p *openPort) client() *Client { return &Client{Server: p.url, Token: p.cfg.Token} }

// do sends a request with changes and gives status and body.
func (p *openPort) do(method, path string, change func(*http.Request), body ...string) (int, string) {
	p.t.Helper()
	r, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(strings.Join(body, "")))
	if err != nil {
		p.t.Fatal(err)
	}
	if change != nil {
		change(r)
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		p.t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err := io.ReadAll(res.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(data)
}

func TestHealth(t *testing.T) {
	p := start(t, "")
	if text, err := p.client().Ready(t.Context()); err != nil || text != "ready" {
		t.Errorf("%q, %v", text, err)
	}
	*p.ready = []string{"media", "callstate"}
	if text, err := p.client().Ready(t.Context()); !errors.Is(err, ErrNotReady) || text != "not ready\nmedia\ncallstate" {
		t.Errorf("%q, %v", text, err)
	}
	if status, _ := p.do("GET", "/healthz", nil); status != http.StatusOK {
		t.Errorf("alive: %d", status)
	}
	if status, _ := p.do("GET", "/metrics", nil); status != http.StatusOK {
		t.Errorf("metrics: %d", status)
	}
	for path, want := range map[string]int{"/": 404, "/api": 404, "/api/none": 404} {
		if status, _ := p.do("GET", path, nil); status != want {
			t.Errorf("%s: %d", path, status)
		}
	}
}

func TestListCalls(t *testing.T) {
	ringing, up := callv1.CallState_CALL_STATE_RINGING, callv1.CallState_CALL_STATE_ESTABLISHED
	p := start(t, "", call("a", ringing, time.Minute), call("b", callv1.CallState_CALL_STATE_ENDED, 2*time.Minute), call("c", up, 3*time.Minute))
	got, err := p.client().Calls(t.Context(), false)
	if err != nil || len(got.Calls) != 2 {
		t.Fatalf("%v, %v", got, err)
	}
	c := got.Calls[0] // the oldest
	if c.State != "established" || c.Caller != "alice <sip:alice@demo.test>" || c.Callee != "bob" || strings.Join(c.Kinds, " ") != "sylkrtc grpcpipe" {
		t.Errorf("%+v", c)
	}
	got, err = p.client().Calls(t.Context(), true)
	if err != nil || len(got.Calls) != 3 || got.Calls[1].Reason != "busy" || got.Calls[1].Ended == nil {
		t.Errorf("%v, %v", got, err)
	}
	ended := *got.Calls[1].Ended
	for then, want := range map[time.Time]int{ended: 3, ended.Add(time.Nanosecond): 2} {
		got, err = p.client().Since(t.Context(), then)
		if err != nil || len(got.Calls) != want || time.Since(got.At) > time.Minute {
			t.Errorf("since %v: %v, %v", then, got, err)
		}
	}
	if status, text := p.do("GET", "/api/calls?ended_since=noon", nil); status != http.StatusBadRequest || !strings.Contains(text, "ended_since") {
		t.Errorf("%d %s", status, text)
	}
}

func TestShowCall(t *testing.T) {
	up := callv1.CallState_CALL_STATE_ESTABLISHED
	a, b := call("a", up, time.Minute), call("again", callv1.CallState_CALL_STATE_ENDED, time.Hour)
	newer := call("x", up, time.Minute)
	newer.Legs[0].Ref = "again"
	// A leg handed over keeps its id and is found in the call that has it now.
	lost := call("lost", callv1.CallState_CALL_STATE_REDIRECTED, time.Minute)
	a.Legs = append(a.Legs, &callv1.Leg{Id: schema.LegID(lost.GetId(), 1), Ordinal: 1})
	p := start(t, "", a, b, newer, lost)
	id, leg := a.GetId(), schema.LegID(a.GetId(), 2)
	for name, tt := range map[string]struct{ id, want string }{
		"call id":               {id, a.GetId()},
		"in upper case":         {strings.ToUpper(id), a.GetId()},
		"compact":               {schema.CompactUUID(id), a.GetId()},
		"leg id":                {leg, a.GetId()},
		"compact leg id":        {schema.CompactUUID(leg), a.GetId()},
		"beginning":             {id[:8], a.GetId()},
		"beginning with hyphen": {id[:12], a.GetId()},
		"reference":             {"a", a.GetId()},
		"latest of a reference": {"again", newer.GetId()},
		"handed-over leg":       {schema.LegID(lost.GetId(), 1), a.GetId()},
		"redirected call":       {lost.GetId(), lost.GetId()},
	} {
		got, err := p.client().Call(t.Context(), tt.id)
		if err != nil || got.GetId() != tt.want {
			t.Errorf("%s %s: %v, %v, want %s", name, tt.id, got.GetId(), err, tt.want)
		}
	}
	for name, id := range map[string]string{
		"too short": id[:3], "unknown": "nothing", "unknown id": key.CallID("z", "z", "z"), "empty": " ", "no path": "../calls",
	} {
		if got, err := p.client().Call(t.Context(), id); err == nil {
			t.Errorf("%s: %v", name, got.GetId())
		}
	}
}

func TestAmbiguousBeginning(t *testing.T) {
	a := call("a", callv1.CallState_CALL_STATE_RINGING, 0)
	b := proto.CloneOf(a)
	b.Id = a.GetId()[:30] + "ffffff"
	p := start(t, "", a, b)
	_, err := p.client().Call(t.Context(), a.GetId()[:8])
	if err == nil || !strings.Contains(err.Error(), a.GetId()) || !strings.Contains(err.Error(), b.GetId()) {
		t.Errorf("%v", err)
	}
}

func TestShowsNoSecrets(t *testing.T) {
	c := call("a", callv1.CallState_CALL_STATE_RINGING, 0)
	p := start(t, "", c)
	for _, path := range []string{"/api/calls", "/api/calls/" + c.GetId()} {
		status, body := p.do("GET", path, nil)
		if status != http.StatusOK || !json.Valid([]byte(body)) || strings.Contains(body, "s3cret") {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}

func TestWhoMayAsk(t *testing.T) {
	for _, tt := range []struct {
		name, token, path, method string
		change                    func(*http.Request)
		want                      int
	}{
		{"this machine reads", "", "/api/calls", "GET", nil, 200},
		{"this machine writes", "", "/api/subscribers/a", "DELETE", nil, 403},
		{"without the token", "t0ken", "/api/calls", "GET", nil, 401},
		{"with a wrong token", "t0ken", "/api/calls", "GET", func(r *http.Request) { r.Header.Set("Authorization", "Bearer x") }, 401},
		{"with the token", "t0ken", "/api/calls", "GET", func(r *http.Request) { r.Header.Set("Authorization", "Bearer t0ken") }, 200},
		{"sets a phone without the token", "", "/api/subscribers/a/phone", "PUT", nil, 403},
		{"writes with the token", "t0ken", "/api/subscribers/a", "DELETE", func(r *http.Request) { r.Header.Set("Authorization", "Bearer t0ken") }, 204},
		{"under a name (DNS rebinding)", "", "/api/calls", "GET", func(r *http.Request) { r.Host = "evil.example:9464" }, 403},
		{"from a web page", "", "/api/calls", "GET", func(r *http.Request) { r.Header.Set("Origin", "http://127.0.0.1:8080") }, 403},
		{"metrics under a name", "", "/metrics", "GET", func(r *http.Request) { r.Host = "evil.example:9464" }, 421},
		{"metrics by an address", "t0ken", "/metrics", "GET", func(r *http.Request) { r.Host = "192.0.2.1:9464" }, 200},
		{"metrics as localhost", "t0ken", "/metrics", "GET", func(r *http.Request) { r.Host = "localhost" }, 200},
		{"health under a name", "", "/healthz", "GET", func(r *http.Request) { r.Host = "tandem.example" }, 200},
	} {
		p := start(t, tt.token)
		if status, body := p.do(tt.method, tt.path, tt.change); status != tt.want {
			t.Errorf("%s: %d, want %d: %s", tt.name, status, tt.want, body)
		}
	}
}

func TestMetricsElsewhereGoByAnyName(t *testing.T) {
	s := New(Config{Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	for at, want := range map[string]int{"192.0.2.1:9464": 200, "[2001:db8::1]:9464": 200, "127.0.0.1:9464": 421, "[::1]:9464": 421, "": 421} {
		r := httptest.NewRequest(http.MethodGet, "http://media:9464/metrics", nil)
		if at != "" {
			r = r.WithContext(context.WithValue(r.Context(), http.LocalAddrContextKey, net.TCPAddrFromAddrPort(netip.MustParseAddrPort(at))))
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("at %q: %d, want %d", at, w.Code, want)
		}
	}
}

func TestOnlyThisMachineWithoutAToken(t *testing.T) {
	s := New(Config{Registry: prometheus.NewRegistry(), Log: slog.New(slog.DiscardHandler)})
	for peer, want := range map[string]int{"192.0.2.1:1": 403, "[::1]:1": 503, "127.0.0.1:1": 503, "": 403} {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/api/calls", nil)
		r.RemoteAddr = peer
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != want {
			t.Errorf("%s: %d, want %d", peer, w.Code, want)
		}
	}
}

func TestWrongTokensAreLimited(t *testing.T) {
	refused := map[string]int{}
	var log strings.Builder
	s := New(Config{
		Token: "t0ken", Registry: prometheus.NewRegistry(), Log: slog.New(slog.NewTextHandler(&log, nil)),
		WrongTokens: attempts.New(2, 1), AllWrongTokens: attempts.New(3, 1),
		Refused: func(reason string) { refused[reason]++ },
	})
	const rightIs = http.StatusServiceUnavailable // it has no journal
	for i, tt := range []struct {
		peer, token string
		want        int
	}{
		{"192.0.2.1:1", "", 401}, {"192.0.2.1:1", "", 401}, {"192.0.2.1:1", "", 401}, // no guess
		{"192.0.2.1:1", "a", 401}, {"192.0.2.1:2", "b", 401}, {"192.0.2.1:3", "c", 429}, {"192.0.2.1:4", "t0ken", rightIs},
		{"[2001:db8::1]:1", "a", 401}, {"[2001:db8::2]:1", "a", 429}, // over what all have
		{"198.51.100.1:1", "a", 429}, {"198.51.100.1:1", "t0ken", rightIs},
	} {
		r := httptest.NewRequest(http.MethodGet, "http://127.0.0.1/api/calls", nil)
		r.RemoteAddr = tt.peer
		if tt.token != "" {
			r.Header.Set("Authorization", "Bearer "+tt.token)
		}
		w := httptest.NewRecorder()
		s.ServeHTTP(w, r)
		if w.Code != tt.want {
			t.Errorf("%d: %s with %q: %d, want %d", i, tt.peer, tt.token, w.Code, tt.want)
		}
		if over := tt.want == http.StatusTooManyRequests; over != (w.Header().Get("Connection") == "close") || over != (w.Header().Get("Retry-After") != "") {
			t.Errorf("%d: %v", i, w.Header())
		}
	}
	if refused["token"] != 6 || refused["rate"] != 3 {
		t.Errorf("counted %v", refused)
	}
	if n := strings.Count(log.String(), "wrong token on the operator's port"); n != 3 || !strings.Contains(log.String(), "peer=2001:db8::\n") || strings.Contains(log.String(), "t0ken") {
		t.Errorf("%d lines:\n%s", n, log.String())
	}
}

func TestSubscribers(t *testing.T) {
	p := start(t, "t0ken")
	c := p.client()
	list, err := c.Subscribers(t.Context())
	if err != nil || len(list.Subscribers) != 1 {
		t.Errorf("%v, %v", list, err)
	}
	sub := directory.Subscriber{ID: "erin", Addresses: []string{"tel:+12025550105"}, Password: "p"}
	if err := c.Put(t.Context(), sub); err != nil || p.book.put.Password != "p" {
		t.Errorf("%v, %+v", err, p.book.put)
	}
	if err := c.Remove(t.Context(), "erin"); err != nil || p.book.removed != "erin" {
		t.Errorf("%v, %q", err, p.book.removed)
	}
	if err := c.SetPhone(t.Context(), "a/b", "tel:+12025550102"); err != nil || p.book.phone != [2]string{"a/b", "tel:+12025550102"} {
		t.Errorf("%v, %q", err, p.book.phone)
	}
	p.book.err = schema.Invalid("addresses[0]", "is bad")
	if err := c.Put(t.Context(), sub); err == nil || err.Error() != "addresses[0]: is bad" {
		t.Errorf("%v", err)
	}
	auth := func(r *http.Request) { r.Header.Set("Authorization", "Bearer t0ken") }
	for name, body := range map[string]string{
		"no JSON": "{", "unknown key": `{"id":"erin","pasword":"s3cret"}`, "other id": `{"id":"frank"}`, "two": `{"id":"erin"}{}`,
		"too large": `{"id":"` + strings.Repeat("a", maxBody) + `"}`,
	} {
		status, answer := p.do("PUT", "/api/subscribers/erin", auth, body)
		if status != http.StatusBadRequest || strings.Contains(answer, "s3cret") {
			t.Errorf("%s: %d %s", name, status, answer)
		}
	}
	if status, answer := p.do("PUT", "/api/subscribers/erin/phone", auth, `{"fone":"x"}`); status != http.StatusBadRequest {
		t.Errorf("unknown key: %d %s", status, answer)
	}
	p.SetDirectory(nil)
	if _, err := c.Subscribers(t.Context()); err == nil || !strings.Contains(err.Error(), "does not run the directory") {
		t.Errorf("%v", err)
	}
}
