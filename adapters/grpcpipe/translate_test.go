package grpcpipe

import (
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/proto"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

const description = "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\n" +
	"m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=rtcp:9 IN IP4 0.0.0.0\r\n" +
	"a=rtcp-mux\r\na=rtcp-rsize\r\na=rtcp-fb:111 transport-cc\r\na=candidate:1 1 udp 1 127.0.0.1 7900 typ host\r\n"

// Every event as the protocol says it; descriptions come through byte for byte
// but for the one attribute that terminals are spared.
func TestFromEvent(t *testing.T) {
	clean := strings.Replace(description, "a=rtcp:9 IN IP4 0.0.0.0\r\n", "", 1)
	nobody := incoming(clean, "+12025550102")
	nobody.GetIncoming().Caller = &callv1.Party{Addresses: []string{"sip:anonymous@anonymous.invalid"}}
	for _, row := range []struct {
		e    *callv1.Event
		want *message
	}{
		{incoming(description, "+12025550102"), wireOffer("c", clean, "+12025550102")},
		{incoming(clean, "+12025550102"), wireOffer("c", clean, "+12025550102")},
		{nobody, wireOffer("c", clean, "")},
		{alerting(), wireRinging("c")},
		{answered(description), wireAnswer("c", clean)},
		{established(), nil},
		{reofferEvent(description), wireOffer("c", clean, "+12025550103")},
		{pushFailed(), wireError("c", errTryAgain)},
		{endedEvent(callv1.Reason_REASON_BUSY), wireBye("c")},
		{endedEvent(callv1.Reason_REASON_TRANSFERRED), wireBye("c")},
		{pushed("+12025550104"), wireInCall("c", "+12025550104")},
		{inCall("c", 1, "+12025550105"), wireInCall("c", "+12025550105")},
		{idle("c", 1), wireIdle("c")},
		{&callv1.Event{}, nil},
	} {
		if got := fromEvent("c", "+12025550103", row.e); !proto.Equal(got, row.want) {
			t.Errorf("%v became %v, want %v", row.e, got, row.want)
		}
	}
	if wireOffer("c", clean, "").GetOffer().GetMsisdn() != nil || wireInCall("c", "").GetInCall().GetMsisdn() != nil {
		t.Error("a party without a number has an empty one")
	}
}

// What is known of a reason does not matter: the protocol's Bye has none.
func TestEveryReasonIsBye(t *testing.T) {
	for r := range callv1.Reason_name {
		if got := fromEvent("c", "", endedEvent(callv1.Reason(r))); got.GetBye() == nil {
			t.Errorf("%v became %v", callv1.Reason(r), got)
		}
	}
}

func TestNumber(t *testing.T) {
	for s, want := range map[string]string{
		"12025550101": "+12025550101", "+12025550101": "+12025550101", " +12025550101 ": "+12025550101",
		"+1-202-555-0101": "+12025550101",
		"":                "", "+": "", "alice": "", "+1": "", "0012025550101": "", "+12025550101;ext=1": "", "tel:+12025550101": "",
	} {
		a, ok := number(s)
		if a.E164() != want || ok != (want != "") {
			t.Errorf("%q became %q, %v", s, a.E164(), ok)
		}
	}
}

func TestBucket(t *testing.T) {
	b := newBucket(10, 2)
	start := time.Now()
	timeAt := func(ms int) time.Time { return start.Add(time.Duration(ms) * time.Millisecond) }
	now := timeAt(0)
	for i, want := range []bool{true, true, false} {
		if got := b.take(now); got != want {
			t.Errorf("message %d: %v", i, got)
		}
	}
	if !b.take(timeAt(100)) || b.take(timeAt(100)) {
		t.Error("not one message after 100 ms")
	}
	for i, want := range []bool{true, true, false} {
		if got := b.take(timeAt(60000)); got != want {
			t.Errorf("message %d after a minute: %v", i, got)
		}
	}
}
