package crash_test

import (
	"context"
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest/homeserver"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/internal/dendrite"
	"github.com/tandem-rtc/tandem/tests/internal/line"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
)

// rooms is a homeserver with alice's Matrix adapter in a process that dies, and
// everything else that a call to or from a line needs.
type rooms struct {
	x       *line.Exchange
	pair    int // of the line, that calls and is called
	callers []*callv1.Terminal
	child   *child
	bus     *bus.Bus

	// Of the start of the adapter at which alice was found last.
	lives    int
	instance string

	account kittest.Account
	client  *matrixtest.Client
	alice   kittest.Client
	said    func(t *testing.T) []roomEvent
	invited func() []string // the rooms to which a ghost has invited alice
}

// roomEvent is an event of a room of alice's.
type roomEvent struct {
	Type    string
	Sender  string
	Content json.RawMessage
}

// world is what the rooms of a scenario are like.
type world struct {
	version string        // of alice's client
	real    bool          // Dendrite instead of the homeserver in memory
	fresh   bool          // each call is with another of the line's numbers
	half    int           // 1 or 2 has the adapter die at every other point; 0 at all
	ring    time.Duration // how long a call may go unanswered; 0 for the default
}

func (o world) start(t *testing.T) *rooms {
	t.Helper()
	server := natstest.External(t)
	r := &rooms{x: line.Start(t, server, line.Options{RingTimeout: o.ring}), account: kittest.Account{AOR: "alice", Token: "password of alice"}}
	r.callers = r.x.Attach("caller")
	r.x.Attach("called")
	r.bus = watcher(t, server)

	addr, file := freeAddr(t), filepath.Join(t.TempDir(), "registration.yaml")
	reg := matrix.NewRegistration("http://"+addr, line.MatrixServer, matrix.BotLocalpart, matrix.GhostPrefix)
	if err := reg.Save(file); err != nil {
		t.Fatal(err)
	}
	client := matrixtest.Options{Bot: "@" + matrix.BotLocalpart + ":" + line.MatrixServer, Ghosts: matrix.GhostPrefix, Version: o.version}
	if o.real {
		hs := dendrite.Start(t, dendrite.Options{Name: line.MatrixServer, Registrations: []string{file}})
		user := hs.User(t, r.account.AOR)
		client.Homeserver = hs.URL
		r.said = func(t *testing.T) (out []roomEvent) {
			var in struct {
				Rooms []string `json:"joined_rooms"`
			}
			must(t, user.Do(t, http.MethodGet, "/joined_rooms", nil, &in))
			for _, room := range in.Rooms {
				for _, e := range user.Timeline(t, room) {
					out = append(out, roomEvent{e.Type, e.Sender, e.Content})
				}
			}
			return out
		}
	} else {
		hs, err := homeserver.Start(line.MatrixServer, "")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(hs.Close)
		if _, err := hs.Register(r.account.AOR, r.account.Token); err != nil {
			t.Fatal(err)
		}
		err = hs.AddService(homeserver.Registration{
			ID: reg.ID, URL: reg.URL, ASToken: reg.AppToken, HSToken: reg.ServerToken, Bot: reg.SenderLocalpart,
			Users: reg.Namespaces.UserIDs[0].Regex,
		})
		if err != nil {
			t.Fatal(err)
		}
		client.Homeserver = hs.URL
		r.invited = func() (out []string) {
			for _, e := range hs.Events() {
				if e.Type == "m.room.member" && strings.HasPrefix(e.Sender, "@"+matrix.GhostPrefix) && strings.HasPrefix(*e.StateKey, "@"+r.account.AOR) {
					out = append(out, e.Room)
				}
			}
			return out
		}
		r.said = func(*testing.T) (out []roomEvent) {
			for _, e := range hs.Events() {
				out = append(out, roomEvent{e.Type, e.Sender, e.Content})
			}
			return out
		}
	}
	r.child = start(t, "matrix", server.Config().URL, 0,
		envAddr+"="+addr, envHomeserver+"="+client.Homeserver, envRegistration+"="+file)
	r.client = matrixtest.Dial(client)
	t.Cleanup(r.client.Close)
	r.alice = matrixtest.Kit(r.client, nil)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := r.alice.SignIn(ctx, r.account); err != nil {
		t.Fatal(err)
	}
	return r
}

// watcher is a connection of the test's own.
func watcher(t *testing.T, server natstest.Server) *bus.Bus {
	t.Helper()
	cfg := server.Config()
	cfg.Kind, cfg.Node = "watcher", "n1"
	c, err := natsbus.Connect(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	b, err := bus.New(c, cfg.Kind, cfg.Node)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// reachable gives what is missing until alice can be called: a terminal of the start
// of the adapter that runs.
func (r *rooms) reachable(ctx context.Context) (missing string) {
	instance := ""
	one, cancel := context.WithCancel(ctx)
	defer cancel()
	_ = bus.NewNodes(r.bus, time.Second, 5*time.Second).Watch(one, func(n bus.Node, up bool) {
		if n.Kind == matrix.Kind && up {
			instance = n.Instance
		}
	}, cancel)
	found := false
	two, cancel := context.WithCancel(ctx)
	defer cancel()
	_ = bus.NewTerminals(r.bus).Watch(two, func(t *callv1.Terminal, up bool) {
		found = found || up && t.GetKind() == matrix.Kind && t.GetInstance() == instance
	}, cancel)
	lives := r.child.lives()
	if !found || lives != r.lives && instance == r.instance {
		return "no terminal of the present start"
	}
	r.lives, r.instance = lives, instance
	return ""
}

// settled gives what is left of calls, in the store of the adapter or in the journal,
// and what is not: a room that was made and is not stored.
func (r *rooms) settled(ctx context.Context) (left string) {
	kv, err := r.bus.Driver().KV(ctx, bus.KVConfig{Bucket: "adapter"})
	if err != nil {
		return err.Error()
	}
	for _, what := range []string{"call", "out"} {
		err = kv.Watch(ctx, "matrix."+what+".>", func(e bus.Entry) bool {
			if e.Key != "" && !e.Deleted {
				left = "stored: " + e.Key + " " + string(e.Value)
			}
			return e.Key != ""
		})
		if err != nil {
			return err.Error()
		}
	}
	if left != "" {
		return left
	}
	rooms := map[string]bool{}
	err = kv.Watch(ctx, "matrix.room.>", func(e bus.Entry) bool {
		var room struct{ ID string }
		if e.Key != "" && !e.Deleted && json.Unmarshal(e.Value, &room) == nil {
			rooms[room.ID] = true
		}
		return e.Key != ""
	})
	if err != nil {
		return err.Error()
	}
	if r.invited != nil {
		for _, room := range r.invited() {
			if !rooms[room] {
				return "not stored: " + room
			}
		}
	}
	err = r.bus.Records().Scan(ctx, schema.AllRecordsFilter, func(rec bus.Record) bool {
		c := &callv1.CallRecord{}
		if err := proto.Unmarshal(rec.Data, c); err != nil {
			left = err.Error()
		} else if c.GetState() != callv1.CallState_CALL_STATE_ENDED {
			left = "in the journal: " + c.String()
		}
		return true
	})
	if err != nil {
		return err.Error()
	}
	return left
}

// until waits until nothing is missing.
func until(t *testing.T, what string, missing func(ctx context.Context) string) {
	t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(patience); ; <-tick.C {
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		m := missing(ctx)
		cancel()
		if m == "" {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s: not in time: %s", what, m)
		}
	}
}

// noneTwice requires that nothing that the adapter says was said twice: the same of
// one call, with the same description.
func noneTwice(t *testing.T, all []roomEvent) {
	t.Helper()
	seen := map[string]bool{}
	for _, e := range all {
		if !strings.HasPrefix(e.Sender, "@"+matrix.BotLocalpart) || !strings.Contains(e.Type, ".call.") {
			continue
		}
		var x struct {
			CallID                     string `json:"call_id"`
			Offer, Answer, Description struct{ SDP string }
		}
		if err := json.Unmarshal(e.Content, &x); err != nil {
			t.Error(err)
		}
		what := e.Type
		if what == "m.call.reject" {
			what = "m.call.hangup" // either ends the call
		}
		key := what + " " + x.CallID + x.Offer.SDP + x.Answer.SDP + x.Description.SDP
		if seen[key] {
			t.Errorf("twice: %s in %s", e.Content, e.Type)
		}
		seen[key] = true
	}
}
