package callstate_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// phoneBook is a directory that knows alice, bob and carol. Carol's is the phone of
// alice and of bob.
type phoneBook struct {
	mu     sync.Mutex
	cond   *sync.Cond
	wakes  map[string]bool   // whose devices can be woken
	phones map[string]string // whose phone is whose
	woken  []*callv1.Wake
	stop   func()
}

func (r *rig) startDirectory() *phoneBook {
	p := &phoneBook{wakes: map[string]bool{}, phones: map[string]string{"alice": "carol", "bob": "carol"}}
	p.cond = sync.NewCond(&p.mu)
	sub, err := r.bus("directory", "d1").ServeDirectory(
		func(_ *callv1.Identity, q *callv1.DirectoryRequest, respond func(*callv1.DirectoryReply)) {
			respond(p.answer(q))
		})
	if err != nil {
		r.t.Fatal(err)
	}
	p.stop = sub.Stop
	r.t.Cleanup(sub.Stop)
	return p
}

func partyOf(name string) *callv1.Party {
	return &callv1.Party{Subscriber: name, Addresses: []string{"sip:" + name + "@demo.test"}}
}

func (p *phoneBook) answer(q *callv1.DirectoryRequest) *callv1.DirectoryReply {
	p.mu.Lock()
	defer p.mu.Unlock()
	switch b := q.GetBody().(type) {
	case *callv1.DirectoryRequest_Resolve:
		name, _, _ := strings.Cut(strings.TrimPrefix(b.Resolve.GetAddress(), "sip:"), "@")
		if slices.Contains([]string{"alice", "bob", "carol"}, name) {
			return &callv1.DirectoryReply{Party: partyOf(name), Wakes: p.wakes[name]}
		}
	case *callv1.DirectoryRequest_Phone:
		if name := p.phones[b.Phone.GetSubscriber()]; name != "" {
			return &callv1.DirectoryReply{Party: partyOf(name), Address: "sip:" + name + "@demo.test", Wakes: p.wakes[name]}
		}
	case *callv1.DirectoryRequest_Wake:
		p.woken = append(p.woken, b.Wake)
		p.cond.Broadcast()
		return &callv1.DirectoryReply{}
	}
	return &callv1.DirectoryReply{Error: &callv1.Error{Code: callv1.Code_CODE_NOT_FOUND, Message: "nobody"}}
}

// wake waits until somebody's devices were woken.
func (p *phoneBook) wake(r *rig) *callv1.Wake {
	late := time.AfterFunc(patience, p.cond.Broadcast)
	defer late.Stop()
	end := time.Now().Add(patience)
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.woken) == 0 {
		if time.Now().After(end) {
			r.t.Fatal("nobody was woken")
		}
		p.cond.Wait()
	}
	return p.woken[0]
}

// mediaNode describes legs and does what it is told to.
type mediaNode struct {
	b    *bus.Bus
	mu   sync.Mutex
	fail map[string]callv1.Code // by kind of operation
	// settled: of legs that have their answer, nothing is new to their terminals.
	settled bool
	legs    map[string]*mediaLeg
}

// mediaLeg is what is there of a leg.
type mediaLeg struct {
	answered, kept bool
	peer           string
}

func (r *rig) startMedia(node string) *mediaNode {
	m := &mediaNode{b: r.bus("media", node), fail: map[string]callv1.Code{}, legs: map[string]*mediaLeg{}}
	sub, err := m.b.ServeMedia(func(c *callv1.MediaCommand, respond func(*callv1.MediaReply)) { respond(m.serve(c)) })
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(sub.Stop)
	ctx, cancel := context.WithCancel(context.Background())
	r.t.Cleanup(cancel)
	_, err = bus.NewNodes(m.b, 20*time.Millisecond, patience).Announce(ctx, func() bus.Node {
		return bus.Node{Kind: "media", Node: node, Instance: "i"}
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func (m *mediaNode) serve(c *callv1.MediaCommand) *callv1.MediaReply {
	m.mu.Lock()
	defer m.mu.Unlock()
	reply := &callv1.MediaReply{}
	for _, op := range c.GetOps() {
		name := fmt.Sprintf("%T", op.GetOp())[len("*callv1.MediaOp_"):]
		res := &callv1.MediaResult{LegId: op.GetLegId(), Skeleton: &callv1.Skeleton{}, Connected: true}
		if op.GetMakeOffer() != nil || op.GetMakeAnswer() != nil {
			res.Sdp = "v=0 " + op.GetLegId()
		}
		reply.Results = append(reply.Results, res)
		if code, bad := m.fail[name]; bad {
			res.Error = &callv1.Error{Code: code, Message: "as told"}
			break
		}
		m.carryOut(op, res)
	}
	return reply
}

func (m *mediaNode) carryOut(op *callv1.MediaOp, res *callv1.MediaResult) {
	l := m.legs[op.GetLegId()]
	switch o := op.GetOp().(type) {
	case *callv1.MediaOp_TakeOffer, *callv1.MediaOp_MakeOffer:
		if l == nil {
			m.legs[op.GetLegId()] = &mediaLeg{}
		} else if op.GetMakeOffer() != nil {
			res.Unchanged = m.settled && l.answered
		}
	case *callv1.MediaOp_Release:
		if l != nil && m.legs[l.peer] != nil && m.legs[l.peer].peer == op.GetLegId() {
			m.legs[l.peer].peer = ""
		}
		delete(m.legs, op.GetLegId())
	case *callv1.MediaOp_TakeAnswer, *callv1.MediaOp_MakeAnswer:
		if l != nil {
			l.answered = true
		}
	case *callv1.MediaOp_Keep:
		if l != nil {
			l.kept = true
		}
	case *callv1.MediaOp_Bridge:
		if other := m.legs[o.Bridge.GetPeerLegId()]; l != nil && other != nil {
			l.peer, other.peer = o.Bridge.GetPeerLegId(), op.GetLegId()
		}
	}
}

// bridged waits until two legs are joined.
func (m *mediaNode) bridged(r *rig, a, b string) {
	r.t.Helper()
	r.until("the legs are bridged", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		return m.legs[a] != nil && m.legs[a].peer == b && m.legs[b] != nil && m.legs[b].peer == a
	})
}

// empty waits until no leg is left that was ever kept.
func (m *mediaNode) empty(r *rig) {
	r.t.Helper()
	r.until("no media is left", func() bool {
		m.mu.Lock()
		defer m.mu.Unlock()
		for _, l := range m.legs {
			if l.kept {
				return false
			}
		}
		return true
	})
}

// until waits for something that nobody tells of.
func (r *rig) until(what string, is func() bool) {
	r.t.Helper()
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	end := time.After(patience)
	for !is() {
		select {
		case <-tick.C:
		case <-end:
			r.t.Fatalf("not in time: %s", what)
		}
	}
}
