package callstate

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// job is a command that waits for its call.
type job struct {
	from    *callv1.Identity // kind "" for the service's own
	command *callv1.Command
	respond func(*callv1.Reply)
	at      time.Time
	lend    bus.Lend // the sender's goroutine, if it has one to lend
}

// own reports whether the service sent the command to itself.
func (j job) own() bool { return j.from.GetKind() == "" }

// actor serialises one call. While it has jobs, one goroutine of its own works
// them off; it alone touches the fields below it.
type actor struct {
	p  *partition
	id string

	// Guarded by p.mu.
	queue   []job
	running bool

	// record is the last known record, for readers.
	record atomic.Pointer[callv1.CallRecord]
	// gone is set when the partition was lost: nothing more may come out.
	gone atomic.Bool

	// counted: this call is in the service's count of live calls.
	counted atomic.Bool

	// Owned by the running goroutine.
	call   *callv1.CallRecord
	seq    uint64
	loaded bool

	// offered are the media operations of an offer that is not committed yet,
	// and era tells attempts at it apart for the media node.
	offered   []*callv1.MediaOp
	offeredAt string
	era       string
	// redirect is the word of the call that has taken the offer's leg (glare).
	redirect *callv1.Reply
	// pair is what was known of the pair when the offer was checked for glare.
	pair pairEntry

	deliveries deliveries
	after      afterwards
	// shown is what terminals were shown of the call last: true in it, false not.
	// restored: another node, or start of this one, may have shown it to others.
	shown    map[string]bool
	restored bool
	// slot is the caller whose limits this call counts for.
	slot atomic.Pointer[string]

	work, workAfter func() // run and doAfter, made once
	// reported guards the ladder's end metric against reloads.
	reported sync.Once
}

func newActor(p *partition, id string) *actor {
	a := &actor{p: p, id: id}
	a.deliveries.a, a.work, a.workAfter = a, a.run, a.doAfter
	return a
}

// pushLocked queues a job and sees to it that a goroutine works.
func (a *actor) pushLocked(j job) bool {
	if len(a.queue) >= queueSize && (!j.own() || len(a.queue) >= 2*queueSize) {
		return false
	}
	a.queue = append(a.queue, j)
	if !a.running {
		a.running = true
		a.p.busy++
		if j.lend == nil || !j.lend(a.runLent) {
			a.p.s.goRun(a.work)
			return true
		}
		a.p.s.work.Begin()
	}
	return true
}

// run works all jobs off.
func (a *actor) run() { a.runSome(-1) }

// runLent works one job off on the goroutine of who sent it; should there be more
// by then, a goroutine of the service's takes over.
func (a *actor) runLent() {
	defer a.p.s.work.End()
	a.runSome(1)
}

func (a *actor) runSome(limit int) {
	for n := 0; ; n++ {
		a.p.mu.Lock()
		if len(a.queue) == 0 {
			a.settleLocked()
			a.p.mu.Unlock()
			return
		}
		if n == limit {
			a.p.mu.Unlock()
			a.p.s.goRun(a.work)
			return
		}
		j := a.queue[0]
		a.queue[0] = job{}
		a.queue = a.queue[1:]
		a.p.mu.Unlock()
		a.serve(j)
	}
}

// settleLocked ends the goroutine, and forgets a call that needs no memory.
func (a *actor) settleLocked() {
	a.running = false
	a.queue = nil
	a.p.busy--
	a.p.quietLocked()
	a.forgetLocked()
}

// forgetLocked drops the call from memory once it is over (or was never there)
// and all its events are delivered.
func (a *actor) forgetLocked() {
	if a.running || len(a.queue) > 0 || step.Live(a.record.Load()) || !a.deliveries.idle() {
		return
	}
	if a.p.calls[a.id] == a {
		delete(a.p.calls, a.id)
	}
}

// forget is forgetLocked for a delivery that has just finished.
func (a *actor) forget() {
	a.p.mu.Lock()
	defer a.p.mu.Unlock()
	a.forgetLocked()
}

// abandon stops everything about the call here: another node owns it.
func (a *actor) abandon() {
	a.gone.Store(true)
	a.queue = nil
	a.deliveries.stop()
	a.p.s.timers.clear(a.id)
	a.p.s.subs.remove(a)
	a.countOver()
}

// serve carries one command out, from load to reply.
func (a *actor) serve(j job) {
	s := a.p.s
	ctx, cancel := bus.WithTimeout(s.ctx, commandBudget)
	defer cancel()
	ctx = s.env.Bus.About(ctx, a.id, j.command.GetId())
	reply := a.attempt(ctx, j)
	if reply == nil && !a.gone.Load() && s.ctx.Err() == nil {
		s.env.Metrics.Command(step.CommandName(j.command), outcomeUnanswered, s.now().Sub(j.at))
	}
	if reply == nil || j.own() && reply.GetError().GetCode() == callv1.Code_CODE_RETRY {
		a.unanswered(j)
		return
	}
	outcome := "ok"
	if reply.GetError() != nil {
		outcome = schema.CodeName(reply.GetError().GetCode())
	}
	s.env.Metrics.Command(step.CommandName(j.command), outcome, s.now().Sub(j.at))
	if j.respond != nil {
		j.respond(reply)
	}
	a.deliveries.wake()
	if t := j.command.GetTerminalAttached().GetTerminal(); t != nil {
		a.showAnew(a.call, t)
	}
	if a.slot.Load() != nil && !step.Live(a.call) {
		a.freeSlot() // the offer came to nothing
	}
}

// unanswered is a command whose outcome is unknown: its sender asks again; the
// service's own commands are repeated here.
func (a *actor) unanswered(j job) {
	s := a.p.s
	a.loaded = false
	s.log.Warn("command without outcome", "call", a.id, "leg", j.command.GetLegId(), "command", step.CommandName(j.command))
	if j.own() {
		a.repeat(j)
	}
}

// own posts a command of the service's own; one that finds the queue full is
// posted again.
func (a *actor) own(c *callv1.Command) {
	c.Id = schema.NewID()
	j := job{from: &callv1.Identity{}, command: c, at: a.p.s.now()}
	if !a.p.post(a.id, j) {
		a.repeat(j)
	}
}

// repeat posts a command of the service's own once more, later.
func (a *actor) repeat(j job) {
	s := a.p.s
	s.goRun(func() {
		t := time.NewTimer(internalRetry)
		defer t.Stop()
		select {
		case <-t.C:
			if !a.p.post(a.id, j) {
				a.repeat(j)
			}
		case <-s.ctx.Done():
		}
	})
}

// attempt repeats load, transition and commit until there is an outcome; nil
// if none could be had in time.
func (a *actor) attempt(ctx context.Context, j job) *callv1.Reply {
	for told := false; !a.gone.Load(); {
		if err := a.load(ctx, j); err != nil {
			if !a.pause(ctx, "record not read", err, &told) {
				return nil
			}
			continue
		}
		before := a.call
		in := step.Input{
			Call: before, Command: j.command, From: j.from, Now: a.p.s.now(),
			Epoch: a.p.epoch(), Settings: a.p.s.settings,
		}
		if err := a.gather(ctx, &in); err != nil {
			return &callv1.Reply{
				CommandId: j.command.GetId(), CallId: a.id, LegId: j.command.GetLegId(), Error: schema.ToProto(err),
			}
		}
		in.Now = a.p.s.now() // the media node's part took its time
		out := step.Step(in)
		if !out.Commit {
			if out.Call != in.Call {
				a.adopt(out.Call, a.seq)
			}
			a.afterCommit(afterCommit{node: out.Call.GetMediaNode(), id: in.Command.GetId(), epoch: in.Epoch, ops: out.After})
			return out.Reply
		}
		if out.Provisional && !in.TakenUp && a.tell(ctx, in, out) {
			return out.Reply
		}
		again, err := a.commit(ctx, in, &out)
		if err != nil {
			if !a.pause(ctx, "record not written", err, &told) {
				return nil
			}
			continue
		}
		if again {
			continue
		}
		a.committed(before, in, out)
		return out.Reply
	}
	return nil
}

// pause waits before the store is tried again; false when time is up. It tells of
// the first failure of a command only: those that follow say the same.
func (a *actor) pause(ctx context.Context, what string, err error, told *bool) bool {
	a.loaded = false
	if !*told {
		a.p.s.log.Warn(what, "call", a.id, "error", err)
		*told = true
	}
	if errors.Is(err, bus.ErrClosed) {
		return false // this process has left the bus
	}
	t := time.NewTimer(storeBackoff)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// adopt makes a record the call's present one.
func (a *actor) adopt(c *callv1.CallRecord, seq uint64) {
	a.call, a.seq, a.loaded = c, seq, true
	a.record.Store(c)
}

// committed does what follows from a commit, apart from the reply: events,
// deadlines, indexes, and what is left for the media node. before is the record
// that the command found.
func (a *actor) committed(before *callv1.CallRecord, in step.Input, out step.Output) {
	s := a.p.s
	a.offered, a.era, a.pair = nil, "", pairEntry{}
	if a.gone.Load() {
		return // the next owner does the rest
	}
	a.deliveries.set(out.Call)
	s.timers.set(a.id, a.p.n, nextDeadline(out.Call))
	a.afterCommit(afterCommit{node: out.Call.GetMediaNode(), id: in.Command.GetId(), epoch: in.Epoch, ops: out.After})
	a.introduce(before, out.Call)
	if before.GetState() == callv1.CallState_CALL_STATE_RINGING && before.GetState() != out.Call.GetState() {
		s.pairs.settled(out.Call)
	}
	a.count(before, out.Call)
	if step.Live(out.Call) {
		s.subs.add(a, out.Call)
		a.catchUp(before, in, out.Call)
	} else {
		s.subs.remove(a)
	}
	a.showAll(out.Call)
	if s.log.Enabled(s.ctx, slog.LevelInfo) {
		s.log.Info("call "+step.CommandName(in.Command), "call", a.id, "leg", in.Command.GetLegId(),
			"state", step.StateName(out.Call), "version", out.Call.GetVersion())
	}
}
