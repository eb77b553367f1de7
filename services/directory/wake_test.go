package directory

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/directory/internal/webhook"
)

const hookSecret = "0123456789abcdef"

// hook is the operator's server: it keeps what it is sent and answers with what
// answer says.
type hook struct {
	*httptest.Server
	t      *testing.T
	got    chan wakeBody
	mu     sync.Mutex
	answer func(w http.ResponseWriter, b wakeBody)
}

func newHook(t *testing.T) *hook {
	h := &hook{t: t, got: make(chan wakeBody, 100)}
	h.Server = httptest.NewServer(h)
	t.Cleanup(h.Close)
	return h
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	data, err := io.ReadAll(r.Body)
	var b wakeBody
	if err != nil || r.Method != http.MethodPost || r.Header.Get("Content-Type") != "application/json" || json.Unmarshal(data, &b) != nil {
		h.t.Errorf("%s %v: %s", r.Method, r.Header, data)
	}
	h.check(r.Header.Get(webhook.SignatureHeader), data)
	h.got <- b
	h.mu.Lock()
	answer := h.answer
	h.mu.Unlock()
	if answer != nil {
		answer(w, b)
	}
}

// check is what docs/operating.md tells a hook to do.
func (h *hook) check(signature string, body []byte) {
	var seconds int64
	if _, err := fmt.Sscanf(signature, "t=%d,v1=", &seconds); err != nil {
		h.t.Errorf("signature %q: %v", signature, err)
	}
	at := time.Unix(seconds, 0)
	if age := time.Since(at); age < -time.Minute || age > time.Minute {
		h.t.Errorf("signed %s ago", age)
	}
	if want := webhook.Signature(hookSecret, at, body); signature != want {
		h.t.Errorf("signature %q, want %q", signature, want)
	}
}

func (h *hook) set(answer func(w http.ResponseWriter, b wakeBody)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.answer = answer
}

func (h *hook) next() wakeBody {
	h.t.Helper()
	select {
	case b := <-h.got:
		slices.SortFunc(b.Devices, func(a, b wakeDevice) int { return strings.Compare(a.Token, b.Token) })
		return b
	case <-time.After(10 * time.Second):
		h.t.Fatal("the hook was not asked")
		return wakeBody{}
	}
}

func waking(h *hook) Config {
	c := config()
	c.Wake.URL, c.Wake.Secret, c.Wake.Tries = h.URL+"/wake", hookSecret, 2
	return c
}

func (n *node) wakeOf(w *callv1.Wake) (bool, error) {
	n.t.Helper()
	r, err := n.question(&callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Wake{Wake: w}})
	return r.GetWakes(), err
}

// await waits until something was counted so often.
func (c *counter) await(t *testing.T, name string, n int) {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for tick := time.NewTicker(time.Millisecond); c.get(name) < n; {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: %d, want %d", name, c.get(name), n)
		}
	}
}

func call(id string) *callv1.Wake {
	return &callv1.Wake{Subscriber: "alice", What: "call", Id: id, From: &callv1.Party{
		Subscriber: "carol", DisplayName: "Carol", Addresses: []string{"tel:+12025550103", "sip:carol@alias.invalid"},
	}}
}

func TestWake(t *testing.T) {
	h := newHook(t)
	n := start(t, membus.NewServer(), waking(h))
	if woken, err := n.wakeOf(call("c0")); woken || err != nil {
		t.Errorf("without devices: %v, %v", woken, err)
	}
	second := aDevice("t2")
	second.Platform, second.Device, second.Silent = "android", "pixel", true
	third := aDevice("t3-a-long-one")
	third.Account = "al@example.org"
	for _, d := range []*callv1.PutDevice{aDevice("t1"), second, third} {
		if err := n.putDeviceOf(d); err != nil {
			t.Fatal(err)
		}
	}
	r, err := n.question(&callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Resolve{Resolve: &callv1.Resolve{Address: "tel:+12025550101"}}})
	if err != nil || !r.GetWakes() {
		t.Errorf("Resolve: %v, %v", r, err)
	}
	if r, err := n.phoneOfID("alice"); err != nil || !r.GetWakes() {
		t.Errorf("Phone: %v, %v", r, err)
	}
	if r, _ := n.phoneOfID("bob"); r.GetWakes() {
		t.Error("bob has devices")
	}
	w := call("c1")
	w.Account = "alice@example.org"
	if woken, err := n.wakeOf(w); !woken || err != nil {
		t.Errorf("%v, %v", woken, err)
	}
	got, want := h.next(), wakeBody{
		What: "call", ID: "c1", Account: "alice@example.org",
		From: wakeFrom{"Carol", []string{"tel:+12025550103", "sip:carol@alias.invalid"}},
		Devices: []wakeDevice{
			{"t1", "ios", "", "org.example.phone", false}, {"t2", "android", "pixel", "org.example.phone", true},
		},
	}
	if fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("sent %+v, want %+v", got, want)
	}
	n.counts.await(t, "wake sent", 2)
	// All accounts: once per device and id, also when another node is asked.
	if _, err := n.wakeOf(call("c1")); err != nil {
		t.Fatal(err)
	}
	if got := h.next(); got.Account != "al@example.org" || len(got.Devices) != 1 {
		t.Errorf("sent %+v", got)
	}
	n.counts.await(t, "wake repeated", 2)
	message := call("m1")
	message.What, message.From = "message", nil
	_, _ = n.wakeOf(message)
	accounts := []string{}
	for range 2 {
		b := h.next()
		accounts = append(accounts, b.Account)
		if b.What != "message" || b.From.Addresses == nil {
			t.Errorf("sent %+v", b)
		}
	}
	if slices.Sort(accounts); !slices.Equal(accounts, []string{"al@example.org", "alice@example.org"}) {
		t.Errorf("accounts %q", accounts)
	}
	for name, bad := range map[string]*callv1.Wake{
		"what": {Subscriber: "alice", What: "coffee", Id: "x"}, "no id": {Subscriber: "alice", What: "call"},
		"account": {Subscriber: "alice", What: "call", Id: "x", Account: "alice"},
	} {
		_, err := n.wakeOf(bad)
		if schema.CodeOf(err) != callv1.Code_CODE_INVALID {
			t.Errorf("%s: %v", name, err)
		}
	}
	for name, nobody := range map[string]*callv1.Wake{
		"subscriber": {Subscriber: "zoe", What: "call", Id: "x"}, "another's account": {Subscriber: "alice", What: "call", Id: "x", Account: "bob@example.org"},
	} {
		if _, err := n.wakeOf(nobody); schema.CodeOf(err) != callv1.Code_CODE_NOT_FOUND {
			t.Errorf("%s: %v", name, err)
		}
	}
	n.stop()
	for _, secret := range []string{hookSecret, third.GetToken()} {
		if strings.Contains(n.log.String(), secret) {
			t.Errorf("the log shows %s:\n%s", secret, n.log.String())
		}
	}
}

// Two directory nodes that are asked the same wake each device once.
func TestWakeOnceInACluster(t *testing.T) {
	h := newHook(t)
	broker := membus.NewServer()
	a, b := start(t, broker, waking(h)), start(t, broker, waking(h))
	if err := a.putDeviceOf(aDevice("t1")); err != nil {
		t.Fatal(err)
	}
	for _, n := range []*node{a, b} {
		if err := n.catchUp(t.Context()); err != nil {
			t.Fatal(err)
		}
		if err := n.wake(call("c1"), &callv1.DirectoryReply{}); err != nil {
			t.Fatal(err)
		}
	}
	h.next()
	repeated := func() int { return a.counts.get("wake repeated") + b.counts.get("wake repeated") }
	for deadline := time.After(10 * time.Second); repeated() < 1; {
		select {
		case got := <-h.got:
			t.Fatalf("sent twice: %+v", got)
		case <-deadline:
			t.Fatal("the second node did nothing")
		case <-time.After(time.Millisecond):
		}
	}
}

func hangUp(w http.ResponseWriter) {
	if c, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = c.Close()
	}
}

func TestHookAnswers(t *testing.T) {
	h := newHook(t)
	n := start(t, membus.NewServer(), waking(h))
	for _, token := range []string{"t1", "t2"} {
		if err := n.putDeviceOf(aDevice(token)); err != nil {
			t.Fatal(err)
		}
	}
	elsewhere := newHook(t)
	tries := 0
	for i, tt := range []struct {
		name    string
		answer  func(w http.ResponseWriter, b wakeBody)
		asked   int
		outcome string
	}{
		{"busy, then well", func(w http.ResponseWriter, _ wakeBody) {
			if tries++; tries == 1 {
				w.WriteHeader(http.StatusServiceUnavailable)
			}
		}, 2, "sent"},
		{"refused", func(w http.ResponseWriter, _ wakeBody) { w.WriteHeader(http.StatusForbidden) }, 1, "failed"},
		{"gone altogether", func(w http.ResponseWriter, _ wakeBody) { w.WriteHeader(http.StatusGone) }, 1, "failed"},
		{"broken", func(w http.ResponseWriter, _ wakeBody) { w.WriteHeader(http.StatusInternalServerError) }, 2, "failed"},
		{"elsewhere", func(w http.ResponseWriter, _ wakeBody) {
			w.Header().Set("Location", elsewhere.URL)
			w.WriteHeader(http.StatusTemporaryRedirect)
		}, 1, "failed"},
		{"hangs up", func(w http.ResponseWriter, _ wakeBody) { hangUp(w) }, 2, "failed"},
		{"no JSON", func(w http.ResponseWriter, _ wakeBody) { _, _ = io.WriteString(w, "thanks") }, 1, "sent"},
		{"endless", func(w http.ResponseWriter, _ wakeBody) { _, _ = io.WriteString(w, strings.Repeat(" ", 1<<20)) }, 1, "sent"},
		{"devices of others are gone", func(w http.ResponseWriter, _ wakeBody) {
			_, _ = io.WriteString(w, `{"devices":[{"token":"t9","status":410},{"token":"t1","status":200},{"token":"t2","status":404}]}`)
		}, 1, "sent"},
	} {
		before := n.counts.get("wake " + tt.outcome)
		h.set(tt.answer)
		if _, err := n.wakeOf(call(fmt.Sprint("c", i))); err != nil {
			t.Fatal(err)
		}
		for range tt.asked {
			if b := h.next(); len(b.Devices) != 2 {
				t.Errorf("%s: sent %+v", tt.name, b)
			}
		}
		n.counts.await(t, "wake "+tt.outcome, before+2)
	}
	if len(elsewhere.got) > 0 || len(h.got) > 0 {
		t.Errorf("asked %d times elsewhere, %d times too often", len(elsewhere.got), len(h.got))
	}
	n.wantTokens(t, "alice", "alice@example.org t1", "alice@example.org t2")
	h.set(func(w http.ResponseWriter, _ wakeBody) {
		_, _ = io.WriteString(w, `{"devices":[{"token":"t1","status":410}]}`)
	})
	_, _ = n.wakeOf(call("last"))
	n.counts.await(t, "wake gone", 1)
	if err := n.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	n.wantTokens(t, "alice", "alice@example.org t2")
}

// A hook that hangs holds up nothing but wakes, of which so many wait.
func TestSlowHook(t *testing.T) {
	h := newHook(t)
	release := make(chan struct{})
	defer close(release)
	h.set(func(http.ResponseWriter, wakeBody) { <-release })
	cfg := waking(h)
	cfg.Wake.Workers, cfg.Wake.Queue, cfg.Workers = 1, 2, 1
	n := start(t, membus.NewServer(), cfg)
	if err := n.putDeviceOf(aDevice("t1")); err != nil {
		t.Fatal(err)
	}
	if _, err := n.wakeOf(call("c0")); err != nil {
		t.Fatal(err)
	}
	h.next()
	for i := range 2 {
		if _, err := n.wakeOf(call(fmt.Sprint("d", i))); err != nil {
			t.Fatal(err)
		}
	}
	_, err := n.wakeOf(call("e"))
	wantCode(t, err, callv1.Code_CODE_OVERLOAD)
	if _, err := n.resolve("tel:+12025550101"); err != nil {
		t.Error(err)
	}
	if n.counts.get("wake dropped") != 1 {
		t.Errorf("counted: %v", n.counts.n)
	}
	n.stop() // though the hook hangs
}
