package matrix

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest/homeserver"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestConformanceVersion0(t *testing.T) { kittest.Run(t, harness(t, matrixtest.V0)) }

func TestConformanceVersion1(t *testing.T) { kittest.Run(t, harness(t, matrixtest.V1)) }

func harness(t *testing.T, version string) kittest.Harness {
	t.Helper()
	h := kittest.Harness{
		Protocol: kittest.Protocol{
			Cannot:        matrixtest.Cannot(version),
			Shows:         func(r callv1.Reason) callv1.Reason { return matrixtest.ReasonIn(hangupReason(r)) },
			Refusal:       refusalOf,
			TellsAccepted: version == matrixtest.V1,
		},
		Node:     nodes(t, version),
		BadInput: badInput(),
	}
	if version == matrixtest.V0 {
		h.Protocol.ByCall = map[kittest.Ability]string{
			kittest.TakesReoffers: "a user's devices may be of either version; which it is shows in the call",
		}
	}
	return h
}

// refusalOf is what a client hears of a refusal: that its call is over, or nothing.
func refusalOf(op kittest.Op, code callv1.Code) kittest.Heard {
	if op != kittest.OpCall || code == callv1.Code_CODE_ENDED { // that of a call that was placed twice
		return kittest.Heard{}
	}
	return kittest.Heard{What: kittest.Ended, Reason: matrixtest.ReasonIn(hangupReason(reasonOfCode(code)))}
}

// site is a homeserver and the way to the adapter's node.
type site struct {
	home         *homeserver.Server
	registration string
}

const serverName = kittest.Domain

// nodes makes nodes: those of one test have one homeserver.
func nodes(t *testing.T, version string) func(kittest.T) kittest.Node {
	t.Helper()
	return nodesAt(version, func(kt kittest.T) *site { return newSite(kt, t.TempDir()) })
}

func nodesAt(version string, newSite func(kittest.T) *site) func(kittest.T) kittest.Node {
	var mu sync.Mutex
	sites := map[kittest.T]*site{}
	return func(kt kittest.T) kittest.Node {
		mu.Lock()
		defer mu.Unlock()
		s := sites[kt]
		if s == nil {
			s = newSite(kt)
			sites[kt] = s
		}
		return s.node(kt, version, nil)
	}
}

// node makes a node, which the homeserver sends its transactions to from now on.
func (s *site) node(kt kittest.T, version string, change func(*Config)) kittest.Node {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		kt.Fatalf("listen: %v", err)
	}
	s.home.MoveService("tandem", "http://"+l.Addr().String())
	cfg := Defaults()
	cfg.Homeserver, cfg.ServerName, cfg.Registration, cfg.Listener = s.home.URL, serverName, s.registration, l
	cfg.Crossing = 100 * time.Millisecond // call state takes offers back sooner than in earnest
	cfg.CallsPerMinute = 1000             // so that it is not this that refuses
	if change != nil {
		change(cfg)
	}
	alerts := kittest.NewAlerts(func(legID string) string { return legID })
	return kittest.Node{Spec: alerts.Spec(Spec()), Config: cfg, Dial: func(ctx context.Context) (kittest.Client, error) {
		c, err := new(net.Dialer).DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		_ = c.Close() // the node is there
		return matrixtest.Kit(s.device(version), alerts), nil
	}}
}

// device is a device of somebody who has not signed in.
func (s *site) device(version string) *matrixtest.Client {
	return matrixtest.Dial(matrixtest.Options{
		Homeserver: s.home.URL, Bot: "@" + BotLocalpart + ":" + serverName, Ghosts: GhostPrefix, Version: version,
	})
}

func newSite(t kittest.T, dir string) *site {
	home, err := homeserver.Start(serverName, "")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(home.Close)
	t.Cleanup(func() {
		for _, err := range home.Complaints() {
			t.Errorf("%v", err)
		}
	})
	s := &site{home: home, registration: filepath.Join(dir, "registration.yaml")}
	r := NewRegistration("http://127.0.0.1:1", serverName, BotLocalpart, GhostPrefix)
	text, err := r.YAML()
	if err == nil {
		err = os.WriteFile(s.registration, []byte(text), 0o600)
	}
	if err == nil {
		err = home.AddService(homeserver.Registration{
			ID: r.ID, URL: r.URL, ASToken: r.AppToken, HSToken: r.ServerToken, Bot: BotLocalpart,
			Users: r.Namespaces.UserIDs[0].Regex, Protocols: r.Protocols,
		})
	}
	for _, a := range []kittest.Account{kittest.Alice, kittest.Bob, kittest.Carol} {
		if err == nil {
			_, err = home.Register(a.Subscriber, a.Token)
		}
	}
	if err != nil {
		t.Fatalf("the homeserver: %v", err)
	}
	return s
}

// badInput is what no client sends. It is sent on the line and in a portal, which the
// call that follows it shows to be well.
func badInput() []kittest.BadInput {
	var out []kittest.BadInput
	add := func(name, kind string, content any) {
		out = append(out, kittest.BadInput{Name: name, Send: func(ctx context.Context, kc kittest.Client) error {
			return matrixtest.Beneath(kc).Send(ctx, "", kind, content)
		}})
	}
	type object = map[string]any
	offer := object{"type": "offer", "sdp": kittest.SDP("bad")}
	add("an invite without anything", typeInvite, object{})
	add("an invite without an offer", typeInvite, object{"call_id": "c1", "version": "1", "party_id": "p", "lifetime": 60000})
	add("an invite whose offer is a text", typeInvite, object{"call_id": "c2", "version": "1", "party_id": "p", "lifetime": 60000, "offer": "v=0"})
	add("an invite without a lifetime", typeInvite, object{"call_id": "c3", "version": "1", "party_id": "p", "offer": offer})
	add("a lifetime that is a text", typeInvite, object{"call_id": "c4", "version": "1", "party_id": "p", "lifetime": "long", "offer": offer})
	add("a lifetime below zero", typeInvite, object{"call_id": "c5", "version": "1", "party_id": "p", "lifetime": -1, "offer": offer})
	add("a name that is a number", typeInvite, object{"call_id": 7, "version": "1", "party_id": "p", "lifetime": 60000, "offer": offer})
	add("a name of bytes that names have not", typeInvite, object{"call_id": "a/b c", "version": "1", "party_id": "p", "lifetime": 60000, "offer": offer})
	add("an unknown call", typeAnswer, object{"call_id": "nobody-knows", "version": "1", "party_id": "p", "answer": object{"type": "answer", "sdp": kittest.SDP("bad")}})
	add("a hang-up of an unknown call", typeHangup, object{"call_id": "nobody-knows-either", "version": 0})
	add("a hang-up whose reason is an object", typeHangup, object{"call_id": "c6", "version": "1", "party_id": "p", "reason": object{}})
	add("candidates that are none", typeCandidates, object{"call_id": "c7", "version": "1", "party_id": "p", "candidates": "all"})
	add("candidates of wrong types", typeCandidates, object{"call_id": "c8", "version": "1", "party_id": "p", "candidates": []any{1, nil, object{"candidate": 5}}})
	add("a version of another type", typeInvite, object{"call_id": "c9", "version": []int{1}, "party_id": "p", "lifetime": 60000})
	add("an event that there is not", "m.call.summon", object{"call_id": "c10", "version": "1"})
	add("a negotiate of an unknown call", typeNegotiate, object{"call_id": "c11", "version": "1", "party_id": "p", "description": offer, "lifetime": 1})
	add("a select_answer of an unknown call", typeSelect, object{"call_id": "c12", "version": "1", "party_id": "p", "selected_party_id": "q"})
	add("names of great length", typeInvite, object{"call_id": fmt.Sprintf("%05000d", 1), "version": "1", "party_id": fmt.Sprintf("%05000d", 1), "lifetime": 60000, "offer": offer})
	return out
}

// TestNobodyDeclines: who would stand for an address that nobody has comes into no
// room, and the next call goes well.
func TestNobodyDeclines(t *testing.T) {
	x := kittest.NewExchange(kittest.FromT(t), kittest.ExchangeConfig{})
	n := x.Node("n1", harness(t, matrixtest.V1).Node(kittest.FromT(t)))
	alice, _ := n.SignIn(kittest.Alice)
	if _, err := alice.Call(t.Context(), kittest.Nobody, kittest.SDP("offer")); !errors.Is(err, matrixtest.ErrDeclined) {
		t.Errorf("a call to nobody: %v", err)
	}
}
