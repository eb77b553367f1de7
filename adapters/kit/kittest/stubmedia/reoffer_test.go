package stubmedia_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest/stubmedia"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// sdp makes a description of media lines "audio sendrecv", "video 0" (port 0).
func sdp(lines ...string) string {
	s := "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=fingerprint:sha-256 AA\r\n"
	for i, l := range lines {
		kind, way, _ := strings.Cut(l, " ")
		port, codec := "9", "109 opus/48000/2"
		if kind == "video" {
			codec = "97 VP8/90000"
		}
		if way == "0" {
			port, way = "0", "inactive"
		}
		s += fmt.Sprintf("m=%s %s UDP/TLS/RTP/SAVPF %s\r\na=mid:%d\r\na=%s\r\na=rtpmap:%s\r\n",
			kind, port, codec[:3], i, way, codec)
	}
	return s
}

// says gives what a description of the engine's says, as sdp takes it.
func says(description string) string {
	var out []string
	for _, m := range strings.Split(description, "\nm=")[1:] {
		kind, rest, _ := strings.Cut(m, " ")
		way := "0"
		if !strings.HasPrefix(rest, "0 ") {
			_, way, _ = strings.Cut(m, "\na="+"mid:")
			_, way, _ = strings.Cut(way, "\na=")
			way, _, _ = strings.Cut(way, "\r")
		}
		out = append(out, kind+" "+way)
	}
	return strings.Join(out, ", ")
}

var video = &callv1.Features{Video: true, Renegotiates: true}

// talk has the legs negotiate a call, each with what it wants.
func (r *rig) talk(a, b string) {
	r.t.Helper()
	r.do("offer", ok, with(takeOffer(r.a, 1, a), video), with(makeOffer(r.b, 1, r.a), video))
	r.do("answer", ok, takeAnswer(r.b, 1, b), makeAnswer(r.a, 1, r.b), bridge(r.a, r.b), plain(r.a, "keep"), plain(r.b, "keep"))
}

func with(op *callv1.MediaOp, f *callv1.Features) *callv1.MediaOp {
	if o := op.GetTakeOffer(); o != nil {
		o.Features = f
	}
	if o := op.GetMakeOffer(); o != nil {
		o.Features = f
	}
	return op
}

func withdraw(leg string, revision uint32) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: leg, Revision: revision, Op: &callv1.MediaOp_Withdraw{Withdraw: &callv1.Withdraw{}}}
}

// step is one terminal's re-offer, what is answered, what the other terminal is
// offered ("" for nothing), what that answers, and what comes back to the first.
type step struct {
	by                           string // "a" or "b"
	offer                        string
	answer, offered, says, after string
}

func TestReoffers(t *testing.T) {
	for _, test := range []struct {
		name  string
		start string
		steps []step
	}{
		{"hold and resume", "audio sendrecv", []step{
			{"a", "audio sendonly", "audio recvonly", "audio sendonly", "audio recvonly", ""},
			{"a", "audio sendrecv", "audio sendrecv", "audio sendrecv", "audio sendrecv", ""},
		}},
		{"both hold, one resumes", "audio sendrecv", []step{
			{"a", "audio sendonly", "audio recvonly", "audio sendonly", "audio recvonly", ""},
			{"b", "audio inactive", "audio inactive", "audio inactive", "audio inactive", ""},
			{"a", "audio sendrecv", "audio inactive", "", "", ""},
			{"b", "audio sendrecv", "audio sendrecv", "audio sendrecv", "audio sendrecv", ""},
		}},
		{"nothing new", "audio sendrecv", []step{{"b", "audio sendrecv", "audio sendrecv", "", "", ""}}},
		{"add and remove video", "audio sendrecv", []step{
			{
				"a", "audio sendrecv, video sendrecv", "audio sendrecv, video inactive",
				"audio sendrecv, video sendrecv", "audio sendrecv, video sendrecv", "audio sendrecv, video sendrecv",
			},
			{
				"b", "audio sendrecv, video inactive", "audio sendrecv, video inactive",
				"audio sendrecv, video inactive", "audio sendrecv, video inactive", "",
			},
			{
				"b", "audio sendrecv, video sendrecv", "audio sendrecv, video sendrecv",
				"audio sendrecv, video sendrecv", "audio sendrecv, video sendrecv", "",
			},
			{
				"a", "audio sendrecv, video 0", "audio sendrecv, video 0",
				"audio sendrecv, video inactive", "audio sendrecv, video inactive", "",
			},
		}},
		{"video that the other refuses", "audio sendrecv", []step{
			{
				"a", "audio sendrecv, video sendrecv", "audio sendrecv, video inactive",
				"audio sendrecv, video sendrecv", "audio sendrecv, video 0", "",
			},
		}},
		{"video one way", "audio sendrecv", []step{
			{
				"b", "audio sendrecv, video sendonly", "audio sendrecv, video inactive",
				"audio sendrecv, video sendonly", "audio sendrecv, video recvonly", "audio sendrecv, video recvonly",
			},
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := newRig(t, stubmedia.Config{Connects: stubmedia.OnDemand})
			r.talk(sdp(test.start), sdp(test.start))
			revision := map[string]uint32{r.a: 1, r.b: 1}
			next := func(leg string) uint32 { revision[leg]++; return revision[leg] }
			lines := func(s string) string { return sdp(strings.Split(s, ", ")...) }
			told := func(i int, what, got, want string) {
				t.Helper()
				if got != want {
					t.Fatalf("step %d: %s %q, want %q", i, what, got, want)
				}
			}
			for i, s := range test.steps {
				one, two := r.a, r.b
				if s.by == "b" {
					one, two = two, one
				}
				n := next(one)
				got := r.do(fmt.Sprint("offer ", i), ok, with(takeOffer(one, n, lines(s.offer)), video), makeAnswer(one, n, two))
				told(i, "answered", says(got.GetSdp()), s.answer)
				n = next(two)
				got = r.do(fmt.Sprint("relay ", i), ok, with(makeOffer(two, n, one), video))
				told(i, "offered on", says(got.GetSdp()), s.offered)
				if got.GetUnchanged() != (s.offered == "") {
					t.Fatalf("step %d: unchanged: %v", i, got.GetUnchanged())
				}
				if got.GetUnchanged() {
					revision[two]--
					continue
				}
				r.do(fmt.Sprint("answer ", i), ok, takeAnswer(two, n, lines(s.says)))
				n = next(one)
				got = r.do(fmt.Sprint("back ", i), ok, with(makeOffer(one, n, two), video))
				told(i, "offered back", says(got.GetSdp()), s.after)
				if got.GetUnchanged() {
					revision[one]--
					continue
				}
				r.do(fmt.Sprint("end ", i), ok, takeAnswer(one, n, lines(s.after)))
			}
		})
	}
}

func TestExchangesInACallKeepTheirOrder(t *testing.T) {
	const conflict = callv1.Code_CODE_CONFLICT
	r := newRig(t, stubmedia.Config{Connects: stubmedia.OnDemand})
	r.talk(sdp("audio sendrecv"), sdp("audio sendrecv"))
	hold := sdp("audio sendonly")
	r.do("1", ok, takeOffer(r.a, 2, hold), makeAnswer(r.a, 2, r.b))
	r.do("2", ok, makeOffer(r.b, 2, r.a))
	r.do("2", ok, makeOffer(r.b, 2, r.a)) // repeated
	r.do("3", conflict, takeAnswer(r.b, 1, hold))
	r.do("4", conflict, makeOffer(r.b, 3, r.a)) // one is out
	r.do("5", ok, withdraw(r.b, 3), withdraw(r.b, 1))
	r.do("6", ok, withdraw(r.b, 2), withdraw(r.b, 2))
	r.do("7", conflict, takeAnswer(r.b, 2, hold)) // it was taken back
	r.do("8", conflict, makeOffer(r.b, 2, r.a))   // and its revision is used up
	r.do("9", ok, makeOffer(r.b, 3, r.a))
	// The terminal's own offer takes ours back.
	r.do("10", ok, takeOffer(r.b, 4, sdp("audio sendrecv")), makeAnswer(r.b, 4, r.a))
	r.do("11", conflict, takeAnswer(r.b, 3, hold))
	// An offer that is not taken up changes nothing, and the next one replaces it.
	r.do("12", callv1.Code_CODE_NOT_ACCEPTABLE, takeOffer(r.b, 5, sdp("audio 0")))
	r.do("13", callv1.Code_CODE_NOT_ACCEPTABLE, takeOffer(r.b, 5, sdp("video sendrecv")))
	r.do("14", ok, takeOffer(r.b, 6, sdp("audio sendrecv", "video sendrecv")))
	r.do("15", ok, takeOffer(r.b, 7, sdp("audio inactive")))
	if got := r.do("16", ok, makeAnswer(r.b, 7, r.a)); says(got.GetSdp()) != "audio inactive" || !got.GetChanged() {
		t.Errorf("answered %q, %v", says(got.GetSdp()), got)
	}
	// A slot is never removed.
	r.do("17", ok, takeOffer(r.a, 3, sdp("audio sendrecv", "video 0")), makeAnswer(r.a, 3, r.b))
	r.do("18", callv1.Code_CODE_NOT_ACCEPTABLE, takeOffer(r.a, 4, sdp("audio sendrecv")))
}

func TestAnOfferThatWouldBeAnotherByNow(t *testing.T) {
	r := newRig(t, stubmedia.Config{Connects: stubmedia.OnDemand})
	r.talk(sdp("audio sendrecv"), sdp("audio sendrecv"))
	r.do("1", ok, takeOffer(r.a, 2, sdp("audio sendonly")), makeAnswer(r.a, 2, r.b))
	first := r.do("2", ok, makeOffer(r.b, 2, r.a))
	if again := r.do("3", ok, makeOffer(r.b, 2, r.a)); again.GetSdp() != first.GetSdp() {
		t.Error("the same offer was made anew")
	}
	r.do("4", ok, takeOffer(r.a, 3, sdp("audio inactive")), makeAnswer(r.a, 3, r.b))
	r.do("5", callv1.Code_CODE_CONFLICT, makeOffer(r.b, 2, r.a))
}

func TestDescriptionsOfALegAreOneSession(t *testing.T) {
	r := newRig(t, stubmedia.Config{Connects: stubmedia.OnDemand})
	origin := func(s string) (id, version string) {
		_, s, _ = strings.Cut(s, "o=- ")
		words := strings.Fields(s)
		return words[0], words[1]
	}
	r.do("offer", ok, with(takeOffer(r.a, 1, sdp("audio sendrecv")), video), with(makeOffer(r.b, 1, r.a), video))
	one := r.do("answer", ok, takeAnswer(r.b, 1, sdp("audio sendrecv")), makeAnswer(r.a, 1, r.b))
	two := r.do("hold", ok, takeOffer(r.a, 2, sdp("audio sendonly")), makeAnswer(r.a, 2, r.b))
	id, version := origin(one.GetSdp())
	if id2, version2 := origin(two.GetSdp()); id2 != id || version2 <= version {
		t.Errorf("origin %s %s after %s %s", id2, version2, id, version)
	}
}

func TestANewTransport(t *testing.T) {
	r := newRig(t, stubmedia.Config{Connects: stubmedia.OnDemand})
	r.talk(sdp("audio sendrecv"), sdp("audio sendrecv"))
	if got := r.do("same", ok, takeOffer(r.a, 2, sdp("audio sendrecv")), makeAnswer(r.a, 2, r.b)); got.GetNewTransport() {
		t.Error("a new transport with the old fingerprint")
	}
	other := strings.Replace(sdp("audio sendrecv"), "sha-256 AA", "sha-256 BB", 1)
	if got := r.do("other", ok, takeOffer(r.a, 3, other), makeAnswer(r.a, 3, r.b)); !got.GetNewTransport() {
		t.Error("no new transport with another fingerprint")
	}
	if got := r.do("report", ok, plain(r.a, "report")); got.GetConnected() {
		t.Error("the new transport is connected already")
	}
}

func TestACallMovesToAnotherLeg(t *testing.T) {
	r := newRig(t, stubmedia.Config{Connects: stubmedia.OnDemand})
	r.talk(sdp("audio sendrecv"), sdp("audio sendonly"))
	pulled := schema.LegID(r.call, schema.FirstPulled+7)
	got := r.do("pull", ok, with(takeOffer(pulled, 1, sdp("audio sendrecv", "video sendrecv")), video), makeAnswer(pulled, 1, r.b))
	if says(got.GetSdp()) != "audio sendonly, video 0" {
		t.Errorf("the puller was answered %q", says(got.GetSdp()))
	}
	if r.e.Peer(r.b) != r.a {
		t.Errorf("bridged with %s before the commit", r.e.Peer(r.b))
	}
	r.do("moved", ok, plain(pulled, "keep"), bridge(pulled, r.b), plain(r.a, "release"))
	if r.e.Peer(r.b) != pulled || r.e.Peer(pulled) != r.b || r.e.Legs() != 2 {
		t.Errorf("%s is bridged with %s", r.b, r.e.Peer(r.b))
	}
	// A terminal that is offered the call takes it over in the same way.
	candidate := schema.LegID(r.call, 3)
	if got := r.do("push", ok, with(makeOffer(candidate, 1, r.b), video)); says(got.GetSdp()) != "audio sendonly" {
		t.Errorf("offered %q", says(got.GetSdp()))
	}
	r.do("answered", ok, takeAnswer(candidate, 1, sdp("audio recvonly")))
	r.do("given", ok, plain(candidate, "keep"), bridge(candidate, r.b), plain(pulled, "release"))
	if r.e.Peer(r.b) != candidate || r.e.Legs() != 2 {
		t.Errorf("%s is bridged with %s", r.b, r.e.Peer(r.b))
	}
}

func TestEarlyMedia(t *testing.T) {
	r := newRig(t, stubmedia.Config{Connects: stubmedia.OnDemand})
	other := schema.LegID(r.call, 3)
	r.do("offer", ok, takeOffer(r.a, 1, sdp("audio sendrecv")), makeOffer(r.b, 1, r.a), makeOffer(other, 1, r.a))
	r.do("early", ok, takeAnswer(r.b, 1, sdp("audio sendrecv")), makeAnswer(r.a, 1, r.b), bridge(r.a, r.b))
	// Another answers: within what the caller has negotiated.
	r.do("answer", ok, takeAnswer(other, 1, sdp("audio sendrecv")), bridge(r.a, other))
	if r.e.Peer(r.a) != other || r.e.Peer(r.b) != "" {
		t.Errorf("the caller is bridged with %s", r.e.Peer(r.a))
	}
	r.do("end", ok, plain(r.b, "release"), plain(other, "release"))
	if r.e.Peer(r.a) != "" {
		t.Error("bridged with a leg that is gone")
	}
}
