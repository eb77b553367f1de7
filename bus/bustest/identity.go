package bustest

import (
	"strconv"
	"sync/atomic"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func identityCases() []func(*env) {
	return []func(*env){
		commandTellsItsSender, commandsOfOtherPartitionsDoNotCome, commandNeedsAnOwner, eventReachesItsNode,
		signalTellsItsSender, mediaCommandReachesItsNode, directorySharesQuestions, callStateSharesQuestions,
		unreadableMessagesAreRefused, identityIsChecked,
	}
}

const (
	callID = "0d9a4e1e-7f0e-8a51-9f0e-2d2b6a8f0000"
	legID  = "0d9a4e1e-7f0e-8a51-9f0e-2d2b6a8f0001"
)

func commandTellsItsSender(e *env) {
	owner := e.bus("callstate", "c1")
	_, err := owner.ServeCommands(schema.Partition(callID), func(from *callv1.Identity, call string, c *callv1.Command, respond func(*callv1.Reply)) {
		respond(&callv1.Reply{LegId: from.GetKind() + "/" + from.GetNode() + " " + call + " " + c.GetId()})
	})
	e.ok(err)
	for _, node := range []string{"s1", "s2"} {
		r, err := e.bus("sylkrtc", node).Command(e.ctx, &callv1.Command{Id: "x", CallId: callID})
		e.ok(err)
		e.equal(r.GetLegId(), "sylkrtc/"+node+" "+callID+" x")
	}
}

func commandsOfOtherPartitionsDoNotCome(e *env) {
	owner := e.bus("callstate", "c1")
	for p := range uint32(schema.Partitions) {
		if p == schema.Partition(callID) {
			continue
		}
		_, err := owner.ServeCommands(p, func(*callv1.Identity, string, *callv1.Command, func(*callv1.Reply)) {
			e.t.Error("a command of another partition")
		})
		e.ok(err)
	}
	_, err := e.bus("sylkrtc", "s").Command(e.ctx, &callv1.Command{CallId: callID})
	e.fails(err, bus.ErrNoResponders)
}

func commandNeedsAnOwner(e *env) {
	_, err := e.bus("sylkrtc", "s").Command(e.ctx, &callv1.Command{CallId: callID})
	e.fails(err, bus.ErrNoResponders)
}

func eventReachesItsNode(e *env) {
	got := make(chan string, 4)
	for _, node := range []string{"s1", "s2"} {
		_, err := e.bus("sylkrtc", node).ServeEvents(func(ev *callv1.Event, respond func(*callv1.EventAck)) {
			got <- node + " " + ev.GetLegId()
			respond(&callv1.EventAck{Error: &callv1.Error{Code: callv1.Code_CODE_GONE}})
		})
		e.ok(err)
	}
	owner := e.bus("callstate", "c")
	a, err := owner.Event(e.ctx, "sylkrtc", "s2", &callv1.Event{LegId: legID})
	e.ok(err)
	e.equal(a.GetError().GetCode(), callv1.Code_CODE_GONE)
	e.equal(next(e, got), "s2 "+legID)
	none(e, got)
	_, err = owner.Event(e.ctx, "grpcpipe", "s2", &callv1.Event{LegId: legID})
	e.fails(err, bus.ErrNoResponders)
}

func signalTellsItsSender(e *env) {
	got := make(chan string, 4)
	_, err := e.bus("media", "m1").ServeSignals(func(from *callv1.Identity, s *callv1.Signal) {
		got <- from.GetKind() + "/" + from.GetNode() + " " + s.GetLegId()
	})
	e.ok(err)
	b := e.bus("sylkrtc", "s1")
	e.ok(b.Signal("m1", &callv1.Signal{LegId: legID}))
	e.equal(next(e, got), "sylkrtc/s1 "+legID)
	e.ok(b.Signal("m2", &callv1.Signal{LegId: legID}))
	none(e, got)
}

func mediaCommandReachesItsNode(e *env) {
	_, err := e.bus("media", "m1").ServeMedia(func(c *callv1.MediaCommand, respond func(*callv1.MediaReply)) {
		respond(&callv1.MediaReply{Results: []*callv1.MediaResult{{LegId: c.GetId()}}})
	})
	e.ok(err)
	b := e.bus("callstate", "c")
	r, err := b.Media(e.ctx, "m1", &callv1.MediaCommand{Id: "x", CallId: callID})
	e.ok(err)
	e.equal(r.GetResults()[0].GetLegId(), "x")
	_, err = b.Media(e.ctx, "m2", &callv1.MediaCommand{CallId: callID})
	e.fails(err, bus.ErrNoResponders)
}

func directorySharesQuestions(e *env) {
	var served [2]atomic.Int32
	for i := range served {
		_, err := e.bus("directory", "d"+strconv.Itoa(i)).ServeDirectory(
			func(from *callv1.Identity, _ *callv1.DirectoryRequest, respond func(*callv1.DirectoryReply)) {
				served[i].Add(1)
				if from.GetKind() != "sylkrtc" || from.GetNode() != "s1" {
					respond(&callv1.DirectoryReply{Error: &callv1.Error{Code: callv1.Code_CODE_FORBIDDEN}})
					return
				}
				respond(&callv1.DirectoryReply{})
			})
		e.ok(err)
	}
	b := e.bus("sylkrtc", "s1")
	for range 100 {
		_, err := b.Ask(e.ctx, &callv1.DirectoryRequest{})
		e.ok(err)
	}
	if a, b := served[0].Load(), served[1].Load(); a+b != 100 || a == 0 || b == 0 {
		e.t.Fatalf("served %d and %d of 100", a, b)
	}
	_, err := e.bus("sylkrtc", "s2").Ask(e.ctx, &callv1.DirectoryRequest{})
	e.equal(schema.CodeOf(err), callv1.Code_CODE_FORBIDDEN)
}

func callStateSharesQuestions(e *env) {
	var served [2]atomic.Int32
	for i := range served {
		_, err := e.bus("callstate", "c"+strconv.Itoa(i)).ServeCalls(
			func(from *callv1.Identity, q *callv1.CallsRequest, respond func(*callv1.CallsReply)) {
				served[i].Add(1)
				if from.GetKind() != "grpcpipe" || from.GetNode() != "p1" {
					respond(&callv1.CallsReply{Error: &callv1.Error{Code: callv1.Code_CODE_NOT_FOUND}})
					return
				}
				respond(&callv1.CallsReply{Calls: []*callv1.Event{{CallId: callID, TerminalId: q.GetTerminalId()}}})
			})
		e.ok(err)
	}
	b := e.bus("grpcpipe", "p1")
	for range 100 {
		r, err := b.Calls(e.ctx, &callv1.CallsRequest{TerminalId: "t1"})
		e.ok(err)
		e.equal(len(r.GetCalls()), 1)
		e.equal(r.GetCalls()[0].GetTerminalId(), "t1")
	}
	if a, b := served[0].Load(), served[1].Load(); a+b != 100 || a == 0 || b == 0 {
		e.t.Fatalf("served %d and %d of 100", a, b)
	}
	_, err := e.bus("grpcpipe", "p2").Calls(e.ctx, &callv1.CallsRequest{TerminalId: "t1"})
	e.equal(schema.CodeOf(err), callv1.Code_CODE_NOT_FOUND)
}

func unreadableMessagesAreRefused(e *env) {
	b := e.bus("callstate", "x")
	_, err := b.ServeCommands(schema.Partition(callID), func(*callv1.Identity, string, *callv1.Command, func(*callv1.Reply)) { e.t.Error("served") })
	e.ok(err)
	_, err = b.ServeEvents(func(*callv1.Event, func(*callv1.EventAck)) { e.t.Error("served") })
	e.ok(err)
	_, err = b.ServeMedia(func(*callv1.MediaCommand, func(*callv1.MediaReply)) { e.t.Error("served") })
	e.ok(err)
	_, err = b.ServeSignals(func(*callv1.Identity, *callv1.Signal) { e.t.Error("served") })
	e.ok(err)
	_, err = b.ServeDirectory(func(*callv1.Identity, *callv1.DirectoryRequest, func(*callv1.DirectoryReply)) { e.t.Error("served") })
	e.ok(err)
	_, err = b.ServeCalls(func(*callv1.Identity, *callv1.CallsRequest, func(*callv1.CallsReply)) { e.t.Error("served") })
	e.ok(err)
	d := e.connect()
	for _, subject := range []string{
		schema.CommandSubject("k", "n", callID), schema.EventSubject("callstate", "x", legID),
		schema.MediaSubject("x", callID), schema.DirectorySubject("k", "n"), schema.CallsSubject("k", "n"),
	} {
		answer, err := d.Request(e.ctx, subject, []byte{0xff, 0xff})
		e.ok(err)
		if len(answer) == 0 {
			e.t.Errorf("%s: an empty answer", subject)
		}
	}
	e.ok(d.Publish(schema.SignalSubject("x", "k", "n", legID), []byte{0xff}))
	// What a message says of its leg or call must be what its subject says.
	for _, subject := range []string{schema.EventSubject("callstate", "x", legID), schema.MediaSubject("x", callID)} {
		_, err := d.Request(e.ctx, subject, nil)
		e.ok(err)
	}
	e.ok(d.Publish(schema.SignalSubject("x", "k", "n", legID), nil))
	none(e, make(chan int))
}

func identityIsChecked(e *env) {
	for _, bad := range []string{"", "a.b", "*", ">", "a b", "ä"} {
		_, err1 := bus.New(e.connect(), bad, "n")
		_, err2 := bus.New(e.connect(), "k", bad)
		if err1 == nil || err2 == nil {
			e.t.Errorf("%q passes as kind (%v) or node (%v)", bad, err1, err2)
		}
	}
	b := e.bus("kind", "node")
	e.equal(b.Kind()+"/"+b.Node(), "kind/node")
}
