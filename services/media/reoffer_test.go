package media

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pion/rtcp"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

func opWithdraw(leg string, revision uint32) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Revision: revision, Op: &callv1.MediaOp_Withdraw{Withdraw: &callv1.Withdraw{}}}
}

// party is a terminal, its leg, and how many exchanges the leg has had.
type party struct {
	*mediatest.Client
	leg  string
	used uint32
}

// talk sets up a call and gives its parties.
func (r *rig) talk(c call, o mediatest.Options) (a, b *party) {
	r.t.Helper()
	a, b = &party{client(r.t, o), c.leg(1), 1}, &party{client(r.t, o), c.leg(2), 1}
	r.connect(c, a.Client, b.Client)
	return a, b
}

// reoffer has a terminal's offer answered, and gives the results: of TakeOffer,
// MakeAnswer, and the offer that is made to the other side.
func (r *rig) reoffer(c call, p, far *party, offer string) []*callv1.MediaResult {
	r.t.Helper()
	p.used++
	far.used++
	results := r.must(c, revised(opTakeOffer(p.leg, offer), p.used), revised(opMakeAnswer(p.leg, far.leg), p.used),
		revised(opMakeOffer(far.leg, p.leg), far.used))
	if results[2].GetUnchanged() {
		far.used--
	}
	return results
}

// finish has a terminal answer an offer of ours, and gives the results of
// TakeAnswer and of the offer that is made to the other side.
func (r *rig) finish(c call, p, far *party, offer string) []*callv1.MediaResult {
	r.t.Helper()
	answer := check[string](r.t)(p.Answer(offer))
	far.used++
	results := r.must(c, revised(opTakeAnswer(p.leg, answer), p.used), revised(opMakeOffer(far.leg, p.leg), far.used))
	if results[1].GetUnchanged() {
		far.used--
	}
	return results
}

func TestVideoIsAddedInARunningCall(t *testing.T) {
	for name, swap := range map[string]bool{"by the caller": false, "by the callee": true} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t)
			c := newCall()
			a, b := r.talk(c, mediatest.Options{Audio: "audio/opus"})
			if swap {
				a, b = b, a
			}
			send(t, a.Client, "audio")
			send(t, b.Client, "audio")
			if err := a.Add("video", "video/VP8", webrtc.RTPTransceiverDirectionSendrecv); err != nil {
				t.Fatal(err)
			}
			results := r.reoffer(c, a, b, check[string](t)(a.Offer()))
			if video := results[1].GetSkeleton().GetMLines()[1]; video.GetRejected() || video.GetDirection() != "inactive" || !results[1].GetChanged() {
				t.Errorf("video that the other side lacks: %v", results[1])
			}
			if err := a.Take(results[1].GetSdp()); err != nil {
				t.Fatal(err)
			}
			if results[2].GetUnchanged() || results[2].GetSkeleton().GetOriginVersion() == 0 || len(results[2].GetSkeleton().GetMLines()) != 1 {
				t.Fatalf("the other side's offer: %v", results[2])
			}
			if err := b.Add("video", "video/VP8", webrtc.RTPTransceiverDirectionSendrecv); err != nil {
				t.Fatal(err)
			}
			back := r.finish(c, b, a, results[2].GetSdp())
			if !back[0].GetChanged() || back[0].GetNewTransport() || back[1].GetUnchanged() {
				t.Fatalf("after the other side's answer: %v", back)
			}
			end := r.finish(c, a, b, back[1].GetSdp())
			if !end[1].GetUnchanged() {
				t.Errorf("there is more to tell: %v", end[1])
			}
			heardA, heardB := a.Audio.Load(), b.Audio.Load()
			send(t, a.Client, "video")
			send(t, b.Client, "video")
			until(t, "both see", func() bool { return a.Video.Load() > 20 && b.Video.Load() > 20 })
			until(t, "both still hear", func() bool { return a.Audio.Load() > heardA+5 && b.Audio.Load() > heardB+5 })
			if len(r.facts) != 0 {
				t.Errorf("fact %v", <-r.facts)
			}
			// The new stream is taken care of as one from the beginning is.
			source := uint32(videoSender(t, a.Client).GetParameters().Encodings[0].SSRC)
			rtcpOf(t, a.Client, func(p *rtcp.PictureLossIndication) bool { return p.MediaSSRC == source })
			rtcpOf(t, a.Client, func(*rtcp.TransportLayerCC) bool { return true })
			rtcpOf(t, a.Client, func(p *rtcp.ReceiverReport) bool { return len(p.Reports) > 0 && p.Reports[0].SSRC == source })
		})
	}
}

// directed gives a description with other directions, as a client's user wants
// them.
func directed(sdp, direction string) string {
	return regexp.MustCompile(`a=(sendrecv|sendonly|recvonly|inactive)\r\n`).ReplaceAllString(sdp, "a="+direction+"\r\n")
}

func TestHoldStopsMediaAndResumeStartsIt(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := r.talk(c, mediatest.Options{Audio: "audio/opus"})
	send(t, a.Client, "audio")
	send(t, b.Client, "audio")
	until(t, "both hear", func() bool { return a.Audio.Load() > 5 && b.Audio.Load() > 5 })
	quiet := func(who string, p *party) {
		t.Helper()
		var before int64
		until(t, who+" hears nothing", func() bool {
			before = p.Audio.Load()
			<-time.After(100 * time.Millisecond) // ten packets' time
			return p.Audio.Load() == before
		})
	}
	hears := func(who string, p *party) {
		t.Helper()
		before := p.Audio.Load()
		until(t, who+" hears", func() bool { return p.Audio.Load() > before+5 })
	}
	hold := func(direction string) []*callv1.MediaResult {
		t.Helper()
		results := r.reoffer(c, a, b, directed(check[string](t)(a.Offer()), direction))
		if err := a.Take(results[1].GetSdp()); err != nil {
			t.Fatal(err)
		}
		return results
	}
	results := hold("sendonly")
	if d := results[1].GetSkeleton().GetMLines()[0].GetDirection(); d != "recvonly" {
		t.Errorf("hold is answered %s", d)
	}
	quiet("who holds", a)
	hears("who is held", b)
	if !strings.Contains(results[2].GetSdp(), "a=sendonly\r\n") {
		t.Errorf("the other side is offered\n%s", results[2].GetSdp())
	}
	if end := r.finish(c, b, a, results[2].GetSdp()); !end[1].GetUnchanged() {
		t.Errorf("who holds is told %v", end[1])
	}
	// Resumed at once, although the other side has yet to be told.
	results = hold("sendrecv")
	if d := results[1].GetSkeleton().GetMLines()[0].GetDirection(); d != "sendrecv" {
		t.Errorf("resume is answered %s", d)
	}
	hears("who is resumed", b)
	if end := r.finish(c, b, a, results[2].GetSdp()); !end[1].GetUnchanged() {
		t.Errorf("who resumes is told %v", end[1])
	}
	hears("who resumes", a)
	hold("inactive")
	quiet("who holds both ways", a)
	quiet("who is held both ways", b)
	results = hold("sendrecv") // before the other side was even told
	if !results[2].GetUnchanged() {
		t.Errorf("nothing has changed for the other side: %v", results[2])
	}
	hears("who resumes", a)
	hears("who is resumed", b)
}

func credentialsIn(sdp string) string {
	return regexp.MustCompile(`a=ice-ufrag:.*\r\n`).FindString(sdp) + regexp.MustCompile(`a=ice-pwd:.*\r\n`).FindString(sdp)
}

func TestICERestartKeepsTheTransport(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := r.talk(c, mediatest.Options{Audio: "audio/opus"})
	send(t, a.Client, "audio")
	send(t, b.Client, "audio")
	seen := map[string]bool{}
	for range 3 {
		results := r.reoffer(c, a, b, check[string](t)(a.Restart()))
		if results[1].GetNewTransport() || !results[2].GetUnchanged() {
			t.Errorf("results %v", results)
		}
		if own := credentialsIn(results[1].GetSdp()); seen[own] {
			t.Error("our side has the same credentials")
		} else {
			seen[own] = true
		}
		if err := a.Take(results[1].GetSdp()); err != nil {
			t.Fatal(err)
		}
		heardA, heardB := a.Audio.Load(), b.Audio.Load()
		until(t, "both hear", func() bool { return a.Audio.Load() > heardA+10 && b.Audio.Load() > heardB+10 })
	}
	if !r.must(c, opReport(a.leg))[0].GetConnected() || len(r.facts) != 0 {
		t.Errorf("%d facts", len(r.facts))
	}
}

func TestNewClientOfASessionHasANewTransport(t *testing.T) {
	r := newRig(t)
	c := newCall()
	o := mediatest.Options{Audio: "audio/opus"}
	a, b := r.talk(c, o)
	send(t, a.Client, "audio")
	send(t, b.Client, "audio")
	stream := newWatch(b.Client)
	until(t, "callee hears", func() bool { return stream.read(t) > 5 })
	old := a.Client
	a.Client = client(t, o)
	results := r.reoffer(c, a, b, check[string](t)(a.Offer()))
	if !results[1].GetNewTransport() || !results[2].GetUnchanged() {
		t.Fatalf("results %v", results)
	}
	before := b.Audio.Load()
	until(t, "the old transport goes on", func() bool { return b.Audio.Load() > before+5 })
	if err := a.Take(results[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	closedIn(t, "new client connected", a.Connected())
	f := wait(r.facts)
	if f.GetMediaConnected().GetRevision() != 2 || f.GetLegId() != a.leg {
		t.Fatalf("fact %v", f)
	}
	closedIn(t, "old client is let go", old.Gone())
	send(t, a.Client, "audio")
	until(t, "new client hears", func() bool { return a.Audio.Load() > 5 })
	n := stream.read(t)
	until(t, "callee hears on the same stream", func() bool { return stream.read(t) > n+10 })
	if len(r.facts) != 0 {
		t.Errorf("fact %v of a transport that was replaced", <-r.facts)
	}
}

func TestClientThatClosesAndComesBackIsNotLost(t *testing.T) {
	r := newRig(t)
	c := newCall()
	o := mediatest.Options{Audio: "audio/opus"}
	a, b := r.talk(c, o)
	a.Close()
	until(t, "the node sees it", func() bool { return !r.must(c, opReport(a.leg))[0].GetConnected() })
	a.Client = client(t, o)
	results := r.reoffer(c, a, b, check[string](t)(a.Offer()))
	if !results[1].GetNewTransport() {
		t.Fatalf("results %v", results)
	}
	if err := a.Take(results[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	if f := wait(r.facts); f.GetMediaConnected().GetRevision() != 2 {
		t.Errorf("fact %v", f)
	}
	select {
	case f := <-r.facts:
		t.Errorf("fact %v of a transport that was replaced", f)
	case <-time.After(leaving + 100*time.Millisecond):
	}
}

func TestCrossingReoffersAndWithdrawal(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := r.talk(c, mediatest.Options{Audio: "audio/opus"})
	send(t, a.Client, "audio")
	if err := a.Add("video", "video/VP8", webrtc.RTPTransceiverDirectionSendrecv); err != nil {
		t.Fatal(err)
	}
	results := r.reoffer(c, a, b, check[string](t)(a.Offer()))
	if err := a.Take(results[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	ours := results[2].GetSdp()
	// The callee has an offer of its own under way: that is served, ours is off.
	if err := b.Add("video", "video/VP8", webrtc.RTPTransceiverDirectionSendrecv); err != nil {
		t.Fatal(err)
	}
	crossed := r.reoffer(c, b, a, check[string](t)(b.Offer()))
	if err := b.Take(crossed[1].GetSdp()); err != nil {
		t.Fatal(err)
	}
	if d := crossed[1].GetSkeleton().GetMLines()[1].GetDirection(); d != "sendrecv" {
		t.Errorf("what both want is answered %s", d)
	}
	late := revised(opTakeAnswer(b.leg, strings.Replace(ours, "setup:active", "setup:passive", 1)), 2)
	if got := code(r.do(c, "late", 1, late)); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("an answer to the offer that was taken back: %v", got)
	}
	if again := r.must(c, revised(opMakeOffer(b.leg, a.leg), 9)); !again[0].GetUnchanged() {
		t.Errorf("our offer, sent again, says nothing new: %v", again)
	}
	// And now ours to the caller is not answered.
	r.must(c, opWithdraw(a.leg, a.used), opWithdraw(a.leg, a.used), opWithdraw(c.leg(9), 3))
	if got := code(r.do(c, "too late", 1, revised(opTakeAnswer(a.leg, ours), a.used))); got != callv1.Code_CODE_CONFLICT {
		t.Errorf("an answer to what was withdrawn: %v", got)
	}
	before := b.Audio.Load()
	until(t, "the call goes on", func() bool { return b.Audio.Load() > before+5 })
	a.used++
	offer := r.must(c, revised(opMakeOffer(a.leg, b.leg), a.used))[0]
	if offer.GetUnchanged() || strings.Contains(offer.GetSdp(), o2(crossed[2].GetSdp())) {
		t.Fatalf("offered again: %v", offer)
	}
	if end := r.finish(c, a, b, offer.GetSdp()); !end[1].GetUnchanged() {
		t.Errorf("there is more to tell: %v", end[1])
	}
	send(t, a.Client, "video")
	send(t, b.Client, "video")
	until(t, "both see", func() bool { return a.Video.Load() > 5 && b.Video.Load() > 5 })
}

// o2 is a description's o= line.
func o2(sdp string) string { return regexp.MustCompile(`o=.*\r\n`).FindString(sdp) }

func TestRefusedReofferLeavesTheCall(t *testing.T) {
	r := newRig(t)
	c := newCall()
	a, b := r.talk(c, mediatest.Options{Audio: "audio/opus"})
	send(t, a.Client, "audio")
	offer := check[string](t)(a.Offer())
	for name, bad := range map[string]string{
		"lines less": regexp.MustCompile(`(?s)m=.*`).ReplaceAllString(offer, ""),
		"no codec":   regexp.MustCompile(`a=rtpmap:.*|SAVPF.*`).ReplaceAllString(offer, "SAVPF 111\r"),
		"other mid":  strings.Replace(offer, "a=mid:0", "a=mid:7", 1),
	} {
		a.used++
		reply := r.do(c, schema.NewID(), 1, revised(opTakeOffer(a.leg, bad), a.used), revised(opMakeAnswer(a.leg, b.leg), a.used))
		if got := code(reply); got != callv1.Code_CODE_INVALID && got != callv1.Code_CODE_NOT_ACCEPTABLE {
			t.Errorf("%s: %v", name, reply)
		}
	}
	before := b.Audio.Load()
	until(t, "the call goes on", func() bool { return b.Audio.Load() > before+5 })
	a.used++
	if results := r.must(c, revised(opTakeOffer(a.leg, offer), a.used), revised(opMakeAnswer(a.leg, b.leg), a.used)); results[1].GetSdp() == "" {
		t.Errorf("results %v", results)
	}
}
