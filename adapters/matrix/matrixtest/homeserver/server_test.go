package homeserver

import (
	"bytes"
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
)

// serviceT is an application service that writes down what it is sent.
type serviceT struct {
	t    *testing.T
	s    *Server
	http *httptest.Server
	mu   sync.Mutex
	// got are the transactions' numbers and event types; change is closed at each.
	got    []string
	change chan struct{}
	fails  int // how many are to be refused
}

func newService(t *testing.T) *serviceT {
	t.Helper()
	s, err := Start("example.org", "")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	a := &serviceT{t: t, s: s, change: make(chan struct{})}
	a.http = httptest.NewServer(http.HandlerFunc(a.serve))
	t.Cleanup(a.http.Close)
	err = s.AddService(Registration{
		ID: "one", URL: a.http.URL, ASToken: "as", HSToken: "hs", Bot: "bot", Users: "^@ghost_.*:example.org$", Protocols: []string{"tel"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Register("alice", "secret"); err != nil {
		t.Fatal(err)
	}
	return a
}

func (a *serviceT) serve(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("Authorization") != "Bearer hs" {
		a.t.Errorf("%s without the token", r.URL)
	}
	if strings.Contains(r.URL.Path, "/thirdparty/") {
		_, _ = io.WriteString(w, `[{"userid":"@ghost_1:example.org"}]`)
		return
	}
	var body struct{ Events []*Event }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		a.t.Error(err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.fails > 0 {
		a.fails--
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	txn := r.URL.Path[strings.LastIndex(r.URL.Path, "/")+1:]
	for _, e := range body.Events {
		if !strings.HasPrefix(e.Type, "m.room.") {
			a.got = append(a.got, txn+" "+e.Type)
		}
	}
	close(a.change)
	a.change = make(chan struct{})
}

// until waits until f likes what was got.
func (a *serviceT) until(f func(got []string) bool) {
	a.t.Helper()
	late := time.After(20 * time.Second)
	for {
		a.mu.Lock()
		got, change := slices.Clone(a.got), a.change
		a.mu.Unlock()
		if f(got) {
			return
		}
		select {
		case <-change:
		case <-late:
			a.t.Fatalf("the service has %q", got)
		}
	}
}

// taken waits until the service has taken all that there is.
func (a *serviceT) taken() {
	a.t.Helper()
	late := time.After(20 * time.Second)
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for a.s.Queued() > 0 {
		select {
		case <-tick.C:
		case <-late:
			a.t.Fatal("the service does not take what there is")
		}
	}
}

// do makes a request with a token, and gives the status and the answer.
func (a *serviceT) do(token, method, path string, in any) (int, map[string]any) {
	a.t.Helper()
	b, err := json.Marshal(in)
	if err != nil {
		a.t.Fatal(err)
	}
	r, err := http.NewRequestWithContext(a.t.Context(), method, a.s.URL+path, bytes.NewReader(b))
	if err != nil {
		a.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, map[string]any{"error": err.Error()}
	}
	defer func() { _ = resp.Body.Close() }()
	var out any
	if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
		a.t.Fatal(err)
	}
	o, ok := out.(map[string]any)
	if !ok {
		o = map[string]any{"": out}
	}
	return resp.StatusCode, o
}

func (a *serviceT) ok(token, method, path string, in any) map[string]any {
	a.t.Helper()
	status, out := a.do(token, method, path, in)
	if status != http.StatusOK {
		a.t.Fatalf("%s %s: %d %v", method, path, status, out)
	}
	return out
}

const c = "/_matrix/client/v3"

// room gives alice's token and a room with a ghost that has been invited.
func (a *serviceT) room() (alice, room string) {
	a.t.Helper()
	alice, _ = a.ok("", "POST", c+"/login", map[string]any{"type": "m.login.password", "user": "alice", "password": "secret"})["access_token"].(string)
	a.ok("as", "POST", c+"/register", map[string]any{"type": "m.login.application_service", "username": "ghost_1", "inhibit_login": true})
	room, _ = a.ok(alice, "POST", c+"/createRoom", map[string]any{"invite": []string{"@ghost_1:example.org"}})["room_id"].(string)
	return alice, room
}

func (a *serviceT) say(token, room, kind string, n int) string {
	a.t.Helper()
	id, _ := a.ok(token, "PUT", fmt.Sprintf("%s/rooms/%s/send/%s/%d", c, room, kind, n), map[string]any{"n": n})["event_id"].(string)
	return id
}

const asGhost = "?user_id=@ghost_1:example.org"

// TestOnlyWhatAMemberSeesIsPushed: in order, each once, from when the ghost has joined.
func TestOnlyWhatAMemberSeesIsPushed(t *testing.T) {
	a := newService(t)
	alice, room := a.room()
	a.say(alice, room, "early", 0)
	a.ok("as", "POST", c+"/join/"+room+asGhost, nil)
	a.mu.Lock()
	a.fails = 2
	a.mu.Unlock()
	first := a.say(alice, room, "x.1", 1)
	if again := a.say(alice, room, "x.1", 1); again != first {
		t.Errorf("the same transaction made %s and %s", first, again)
	}
	for n := 2; n < 5; n++ {
		a.say(alice, room, fmt.Sprintf("x.%d", n), n)
	}
	a.until(func(got []string) bool { return len(got) == 4 })
	a.until(func(got []string) bool {
		return slices.IsSortedFunc(got, func(x, y string) int { return strings.Compare(x[len(x)-1:], y[len(y)-1:]) })
	})
	chunk := a.ok("as", "GET", c+"/rooms/"+room+"/messages"+asGhost+"&dir=b&limit=100", nil)["chunk"]
	if b, _ := json.Marshal(chunk); !strings.Contains(string(b), `"early"`) {
		t.Errorf("what was before cannot be read: %s", b)
	}
}

func TestFaults(t *testing.T) {
	a := newService(t)
	alice, room := a.room()
	a.ok("as", "POST", c+"/join/"+room+asGhost, nil)

	a.taken() // what is told together is repeated together
	a.s.Repeat(true)
	a.say(alice, room, "twice", 1)
	a.until(func(got []string) bool { return len(got) == 2 && got[0] == got[1] })
	a.s.Repeat(false)

	a.s.Hold(true)
	a.say(alice, room, "held", 2)
	if n := a.s.Queued(); n == 0 {
		t.Error("nothing is held")
	}
	a.s.Hold(false)
	a.until(func(got []string) bool { return len(got) == 3 })

	a.s.Limit(1, time.Second)
	path := c + "/rooms/" + room + "/send/x/"
	if status, out := a.do("as", "PUT", path+"1"+asGhost, struct{}{}); status != http.StatusTooManyRequests || out["retry_after_ms"] != 1000.0 {
		t.Errorf("limited: %d %v", status, out)
	}
	a.ok("as", "PUT", path+"1"+asGhost, struct{}{})

	a.s.Away(true)
	if status, out := a.do(alice, "GET", c+"/account/whoami", nil); status != 0 {
		t.Errorf("away: %d %v", status, out)
	}
	a.s.Away(false)
	a.ok(alice, "GET", c+"/account/whoami", nil)

	if status, _ := a.do(alice, "PUT", path+"3", map[string]string{"x": strings.Repeat("x", 65000)}); status != http.StatusRequestEntityTooLarge {
		t.Errorf("a large event: %d", status)
	}
	a.ok(alice, "PUT", path+"4", map[string]string{"x": strings.Repeat("x", 64000)})
}

func TestComplaints(t *testing.T) {
	a := newService(t)
	alice, room := a.room()
	a.ok("as", "POST", c+"/join/"+room+asGhost, nil)
	a.say(alice, room, "m.call.hangup", 1) // a person may send what it likes
	a.ok("as", "PUT", c+"/rooms/"+room+"/send/m.call.hangup/1"+asGhost, map[string]any{"call_id": "c", "version": 0})
	if bad := a.s.Complaints(); len(bad) != 0 {
		t.Error(bad)
	}
	a.ok("as", "PUT", c+"/rooms/"+room+"/send/m.call.hangup/2"+asGhost, map[string]any{"call_id": "c", "version": 1})
	if bad := a.s.Complaints(); len(bad) != 1 {
		t.Errorf("complaints: %v", bad)
	}
}

func TestWhoMayWhat(t *testing.T) {
	a := newService(t)
	alice, room := a.room()
	for _, x := range []struct {
		token, method, path string
		in                  any
		status              int
	}{
		{"nobody's", "GET", "/account/whoami", nil, http.StatusUnauthorized},
		{"as", "GET", "/account/whoami?user_id=@alice:example.org", nil, http.StatusForbidden},
		{"as", "GET", "/account/whoami?user_id=@ghost_2:example.org", nil, http.StatusForbidden},
		{"as", "PUT", "/rooms/" + room + "/send/x/1" + asGhost, struct{}{}, http.StatusForbidden},
		{"", "POST", "/login", map[string]any{"type": "m.login.password", "user": "alice", "password": "wrong"}, http.StatusForbidden},
		{"as", "POST", "/register", map[string]any{"type": "m.login.application_service", "username": "ghost_1"}, http.StatusBadRequest},
		{alice, "GET", "/rooms/!none:example.org/joined_members", nil, http.StatusForbidden},
		{alice, "GET", "/rooms/" + room + "/state/m.room.encryption/", nil, http.StatusNotFound},
		{alice, "GET", "/nowhere", nil, http.StatusNotFound},
	} {
		if status, out := a.do(x.token, x.method, c+x.path, x.in); status != x.status {
			t.Errorf("%s %s: %d %v, want %d", x.method, x.path, status, out, x.status)
		}
	}
	if out := a.ok(alice, "GET", c+"/thirdparty/user/tel?number=1", nil); !strings.Contains(fmt.Sprint(out), "@ghost_1:") {
		t.Errorf("the look-up gave %v", out)
	}
}
