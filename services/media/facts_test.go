package media

import (
	"testing"
	"time"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

// answers makes the owner give these codes to facts, then none.
func (r *rig) answers(replies ...*callv1.Reply) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.reply = func(c *callv1.Command) *callv1.Reply {
		r.mu.Lock()
		defer r.mu.Unlock()
		reply := &callv1.Reply{}
		if len(replies) > 0 {
			reply, replies = replies[0], replies[1:]
		}
		reply.CommandId = c.GetId()
		return reply
	}
}

func refused(code callv1.Code, call string) *callv1.Reply {
	return &callv1.Reply{Error: &callv1.Error{Code: code}, CallId: call}
}

func TestFactsAreRepeatedUntilAnswered(t *testing.T) {
	r := newRig(t)
	r.answers(refused(callv1.Code_CODE_RETRY, ""), refused(callv1.Code_CODE_OVERLOAD, ""))
	c := newCall()
	o := mediatest.Options{Audio: "audio/opus"}
	a, b := client(t, o), client(t, o)
	r.setUp(c, a, b)
	ids := map[string]int{}
	for range 4 { // two legs, two refusals
		f := wait(r.facts)
		if f.GetMediaConnected().GetRevision() != 1 || f.GetCallId() != c.id {
			t.Fatalf("fact %v", f)
		}
		ids[f.GetId()+f.GetLegId()]++
	}
	if len(ids) != 2 {
		t.Errorf("a repeated fact keeps its id: %v", ids)
	}
	select {
	case f := <-r.facts:
		t.Errorf("an answered fact is not repeated: %v", f)
	case <-time.After(150 * time.Millisecond):
	}
}

func TestFactsFollowARedirect(t *testing.T) {
	r := newRig(t)
	winner := newCall()
	r.answers(refused(callv1.Code_CODE_REDIRECTED, winner.id))
	c := newCall()
	o := mediatest.Options{Audio: "audio/opus"}
	a, b := client(t, o), client(t, o)
	r.setUp(c, a, b)
	calls := map[string]int{}
	for range 3 {
		calls[wait(r.facts).GetCallId()]++
	}
	if calls[winner.id] != 1 || calls[c.id] != 2 {
		t.Errorf("facts went to %v", calls)
	}
}

func TestFactsEndWithTheLeg(t *testing.T) {
	r := newRig(t)
	r.mu.Lock()
	r.reply = func(c *callv1.Command) *callv1.Reply { return refused(callv1.Code_CODE_RETRY, "") }
	r.mu.Unlock()
	c := newCall()
	o := mediatest.Options{Audio: "audio/opus"}
	a, b := client(t, o), client(t, o)
	r.setUp(c, a, b)
	wait(r.facts)
	wait(r.facts)
	r.must(c, opRelease(c.leg(1)), opRelease(c.leg(2)))
	quiet := time.NewTimer(300 * time.Millisecond)
	defer quiet.Stop()
	for {
		select {
		case <-r.facts: // one may have been under way
			continue
		case <-quiet.C:
		}
		break
	}
	select {
	case f := <-r.facts:
		t.Errorf("fact of a leg that is gone: %v", f)
	case <-time.After(300 * time.Millisecond):
	}
}

func TestLostMediaIsReported(t *testing.T) {
	t.Run("DTLS closed", func(t *testing.T) {
		r := newRig(t)
		c := newCall()
		o := mediatest.Options{Audio: "audio/opus"}
		a, b := client(t, o), client(t, o)
		r.connect(c, a, b)
		a.Close()
		if f := wait(r.facts); f.GetMediaFailed() == nil || f.GetLegId() != c.leg(1) || f.GetMediaFailed().GetDetail() == "" {
			t.Errorf("fact %v", f)
		}
		if reply := r.must(c, opReport(c.leg(1)), opReport(c.leg(2))); reply[0].GetConnected() || !reply[1].GetConnected() {
			t.Errorf("report %v", reply)
		}
	})
	t.Run("DTLS closed by a terminal that hangs up", func(t *testing.T) {
		r := newRig(t)
		c := newCall()
		o := mediatest.Options{Audio: "audio/opus"}
		a, b := client(t, o), client(t, o)
		r.connect(c, a, b)
		a.Close()
		until(t, "the node sees it", func() bool { return !r.must(c, opReport(c.leg(1)))[0].GetConnected() })
		r.must(c, opRelease(c.leg(1)), opRelease(c.leg(2)))
		select {
		case f := <-r.facts:
			t.Errorf("the hang-up was there in time: %v", f)
		case <-time.After(leaving + 200*time.Millisecond):
		}
	})
	t.Run("silence", func(t *testing.T) {
		r := newRig(t, func(c *Config) {
			c.Disconnected, c.Failed, c.KeepAlive = 100*time.Millisecond, 100*time.Millisecond, 30*time.Millisecond
		})
		c := newCall()
		// A terminal that never says anything after its answer.
		_, offer := offerOf(t)
		made := r.must(c, opTakeOffer(c.leg(1), offer), opMakeOffer(c.leg(2), c.leg(1)))
		b := client(t, mediatest.Options{Audio: "audio/opus"})
		answer := check[string](t)(b.Answer(made[1].GetSdp()))
		b.Close()
		r.must(c, opTakeAnswer(c.leg(2), answer))
		if f := wait(r.facts); f.GetMediaFailed() == nil || f.GetLegId() != c.leg(2) {
			t.Errorf("fact %v", f)
		}
	})
}
