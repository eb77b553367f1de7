package media

import (
	"strconv"
	"strings"
	"testing"

	"github.com/pion/webrtc/v4"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

// anew is the next exchange as a command: a re-offer answered, and the other
// side's offer.
func anew(a, b *party, offer string, revision uint32) []*callv1.MediaOp {
	return []*callv1.MediaOp{
		revised(opTakeOffer(a.leg, offer), revision), revised(opMakeAnswer(a.leg, b.leg), revision),
		revised(opMakeOffer(b.leg, a.leg), revision),
	}
}

func TestLaterExchangesFollowTheRulesOfTheFirst(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := r.talk(c, mediatest.Options{Audio: "audio/opus"})
	if err := a.Add("video", "video/VP8", webrtc.RTPTransceiverDirectionSendrecv); err != nil {
		t.Fatal(err)
	}
	offer := check[string](t)(a.Offer())
	first := r.do(c, "one", 1, anew(a, b, offer, 2)...)
	held := directed(offer, "sendonly")
	if got := code(r.do(c, "another", 1, anew(a, b, held, 2)...)); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("another command: %v", got)
	}
	repeated := r.do(c, "one", 1, anew(a, b, offer, 2)...)
	same := r.do(c, "two", 2, anew(a, b, offer, 2)...)
	for i := range 3 {
		if code(first) != 0 || first.GetResults()[i].String() != repeated.GetResults()[i].String() || first.GetResults()[i].String() != same.GetResults()[i].String() {
			t.Fatalf("result %d:\n%v\n%v\n%v", i, first, repeated, same)
		}
	}
	// The owner died before it committed; the next one has heard something else.
	redone := r.do(c, "four", 3, anew(a, b, held, 2)...)
	if code(redone) != 0 || redone.GetResults()[1].GetSkeleton().GetMLines()[0].GetDirection() != "recvonly" {
		t.Fatalf("done again: %v", redone)
	}
	if got := code(r.do(c, "four/after", 3, opKeep(a.leg), opKeep(b.leg))); got != 0 {
		t.Fatal(got)
	}
	if got := code(r.do(c, "five", 4, anew(a, b, offer, 2)...)); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("what was committed is done again: %v", got)
	}
	if err := a.Take(redone.GetResults()[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	send(t, a.Client, "audio")
	until(t, "the call goes on", func() bool { return b.Audio.Load() > 5 })
}

func TestKeepingALegCommitsToNoLaterExchangeOfAnother(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := r.talk(c, mediatest.Options{Audio: "audio/opus"})
	offer := check[string](t)(a.Offer())
	if got := code(r.do(c, "lost", 1, anew(a, b, offer, 2)...)); got != 0 {
		t.Fatal(got)
	}
	if got := code(r.do(c, "settle/after", 2, opKeep(a.leg), opKeep(b.leg), opBridge(a.leg, b.leg))); got != 0 {
		t.Fatal(got)
	}
	if got := code(r.do(c, "next", 2, anew(a, b, directed(offer, "sendonly"), 2)...)); got != 0 {
		t.Errorf("not done again: %v", got)
	}
	// In the other direction, too.
	if got := code(r.do(c, "crossed", 3, revised(opMakeOffer(a.leg, b.leg), 2))); got != 0 {
		t.Errorf("not done again the other way: %v", got)
	}
	if d := r.mustAt(c, 3, opReport(a.leg))[0].GetSkeleton().GetMLines()[0].GetDirection(); d != "sendrecv" {
		t.Errorf("the answer that nobody saw still holds: %s", d)
	}
}

func (r *rig) mustAt(c call, epoch uint64, ops ...*callv1.MediaOp) []*callv1.MediaResult {
	r.t.Helper()
	reply := r.do(c, "at epoch "+strconv.FormatUint(epoch, 10), epoch, ops...)
	if code(reply) != 0 {
		r.t.Fatalf("refused: %v", reply)
	}
	return reply.GetResults()
}

// A command whose commit failed is planned again with a revision of its own.
func TestAnswerThatNoTerminalHasSeenDoesNotBindTheNextOffer(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := r.talk(c, mediatest.Options{Audio: "audio/opus"})
	send(t, a.Client, "audio")
	before := check[string](t)(a.Offer())
	grown := client(t, mediatest.Options{Audio: "audio/opus", Video: "video/VP8"})
	more := check[string](t)(grown.Offer())
	// The same client with a line more, which it takes back.
	video := more[strings.Index(more, "m=video"):]
	if i := strings.Index(video[1:], "m="); i >= 0 {
		video = video[:i+1]
	}
	video = strings.NewReplacer("a=mid:0", "a=mid:9", "a=mid:1", "a=mid:9").Replace(video)
	transport := func(sdp string) []string {
		return []string{
			"a=ice-ufrag:" + valueOf(sdp, "ice-ufrag"), "a=ice-pwd:" + valueOf(sdp, "ice-pwd"), "a=fingerprint:" + valueOf(sdp, "fingerprint"),
		}
	}
	from, to := transport(more), transport(before)
	video = strings.NewReplacer(from[0], to[0], from[1], to[1], from[2], to[2]).Replace(video)
	results := r.do(c, "abandoned", 1, anew(a, b, before+video, 2)...)
	if code(results) != 0 || len(results.GetResults()[1].GetSkeleton().GetMLines()) != 2 {
		t.Fatalf("results %v", results)
	}
	ops := append([]*callv1.MediaOp{opWithdraw(a.leg, 2), opWithdraw(b.leg, 2)}, anew(a, b, before, 3)...)
	next := r.do(c, "planned again", 1, ops...)
	if code(next) != 0 || len(next.GetResults()[3].GetSkeleton().GetMLines()) != 1 || !next.GetResults()[4].GetUnchanged() {
		t.Fatalf("results %v", next)
	}
	if err := a.Take(next.GetResults()[3].GetSdp()); err != nil {
		t.Fatal(err)
	}
	heard := b.Audio.Load()
	until(t, "the call goes on", func() bool { return b.Audio.Load() > heard+5 })
}

func valueOf(sdp, name string) string {
	_, rest, _ := strings.Cut(sdp, "a="+name+":")
	value, _, _ := strings.Cut(rest, "\r\n")
	return value
}

func TestBindingsOfOldExchangesAreForgotten(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := r.talk(c, mediatest.Options{Audio: "audio/opus"})
	for i := range 20 {
		results := r.reoffer(c, a, b, directed(check[string](t)(a.Offer()), []string{"sendonly", "sendrecv"}[i%2]))
		if err := a.Take(results[1].GetSdp()); err != nil {
			t.Fatal(err)
		}
		if end := r.finish(c, b, a, results[2].GetSdp()); !end[1].GetUnchanged() {
			t.Fatalf("%d: %v", i, end)
		}
	}
	for _, p := range []*party{a, b} {
		m := r.s.member(p.leg)
		m.mu.Lock()
		if len(m.bound) > 4 {
			t.Errorf("%d bindings", len(m.bound))
		}
		m.mu.Unlock()
	}
	if got := code(r.do(c, "old", 1, revised(opTakeOffer(a.leg, "v=0"), 3))); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("a revision that is past: %v", got)
	}
	if v := r.must(c, opReport(a.leg))[0].GetSkeleton().GetOriginVersion(); v != 21 {
		t.Errorf("version %d", v)
	}
}
