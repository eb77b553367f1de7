package ladder

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

var update = flag.Bool("update", false, "write the golden files anew")

var begin = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func at(ms int) *timestamppb.Timestamp {
	return timestamppb.New(begin.Add(time.Duration(ms) * time.Millisecond))
}

func entry(ms int, from, to, what, detail string) *callv1.LadderEntry {
	return &callv1.LadderEntry{At: at(ms), From: from, To: to, What: what, Detail: detail}
}

func leg(ordinal uint32, side callv1.Side, subscriber, kind string, state callv1.LegState, reason callv1.Reason, ref string) *callv1.Leg {
	id := "0190f1a0-0000-8000-8000-00000000000"
	return &callv1.Leg{
		Id: id + string(rune('0'+ordinal)), Ordinal: ordinal, Side: side, State: state, Reason: reason, Ref: ref,
		Terminal: &callv1.Terminal{Subscriber: subscriber, Kind: kind, Node: "n1"},
	}
}

// records are calls of every sort that a reader meets.
func records() map[string]*callv1.CallRecord {
	alice := &callv1.Party{Subscriber: "alice", DisplayName: "Alice", Addresses: []string{"sip:alice@demo.test", "tel:+12025550101"}}
	bob := &callv1.Party{Subscriber: "bob", Addresses: []string{"sip:bob@demo.test", "tel:+12025550102"}}
	ended, established := callv1.LegState_LEG_STATE_ENDED, callv1.LegState_LEG_STATE_ESTABLISHED
	return map[string]*callv1.CallRecord{
		"answered": {
			Id: "0190f1a0-0000-8000-8000-000000000000", State: callv1.CallState_CALL_STATE_ENDED, Reason: callv1.Reason_REASON_NORMAL,
			Caller: alice, Callee: bob, Dialled: "tel:+12025550102", MediaNode: "m1",
			CreatedAt: at(0), AnsweredAt: at(2100), EstablishedAt: at(2180), EndedAt: at(62180),
			Legs: []*callv1.Leg{
				leg(1, callv1.Side_SIDE_CALLER, "alice", "sylkrtc", ended, callv1.Reason_REASON_NORMAL, "abc"),
				leg(2, callv1.Side_SIDE_CALLEE, "bob", "grpcpipe", ended, callv1.Reason_REASON_NORMAL, ""),
				leg(3, callv1.Side_SIDE_CALLEE, "bob", "sylkrtc", ended, callv1.Reason_REASON_ANSWERED_ELSEWHERE, ""),
			},
			Ladder: []*callv1.LadderEntry{
				entry(0, "alice sylkrtc #1", "tandem", "offer", "to tel:+12025550102"),
				entry(4, "tandem", "bob grpcpipe #2", "incoming", "from sip:alice@demo.test"),
				entry(4, "tandem", "bob sylkrtc #3", "incoming", ""),
				entry(150, "bob grpcpipe #2", "tandem", "ringing", ""),
				entry(151, "tandem", "alice sylkrtc #1", "ringing", ""),
				entry(2100, "bob grpcpipe #2", "tandem", "answer", ""),
				entry(2101, "tandem", "alice sylkrtc #1", "answered", ""),
				entry(2101, "tandem", "bob sylkrtc #3", "ended", "answered elsewhere"),
				entry(2180, "media m1", "tandem", "media connected", "alice sylkrtc #1"),
				entry(62180, "alice sylkrtc #1", "tandem", "hang-up", ""),
				entry(62181, "tandem", "bob grpcpipe #2", "ended", "normal"),
			},
			LadderDropped: 2,
		},
		"unanswered": {
			Id: "0190f1a0-0000-8000-8000-000000000000", State: callv1.CallState_CALL_STATE_ENDED, Reason: callv1.Reason_REASON_BUSY,
			Caller: alice, Callee: bob, Dialled: "sip:bob@demo.test", CreatedAt: at(0), EndedAt: at(900),
			Ladder: []*callv1.LadderEntry{entry(0, "alice sylkrtc #1", "tandem", "offer", "to sip:bob@demo.test")},
		},
		"live": {
			Id: "0190f1a0-0000-8000-8000-000000000000", State: callv1.CallState_CALL_STATE_ESTABLISHED,
			Caller: alice, Callee: bob, Dialled: "sip:bob@demo.test", MediaNode: "m1",
			CreatedAt: at(0), AnsweredAt: at(10), EstablishedAt: at(20), HandedOverFrom: "0190f1a0-0000-8000-8000-000000000100",
			Legs: []*callv1.Leg{
				leg(1, callv1.Side_SIDE_CALLER, "alice", "sylkrtc", established, 0, "0190f1a0-0000-8000-8000-000000000001"),
				{Ordinal: 2, Side: callv1.Side_SIDE_CALLEE, State: established, Lost: true, Id: "x", Terminal: &callv1.Terminal{Subscriber: "bob", Kind: "grpcpipe", Node: "n2"}},
			},
		},
		"to nobody": {
			Id: "0190f1a0-0000-8000-8000-000000000000", State: callv1.CallState_CALL_STATE_ENDED, Reason: callv1.Reason_REASON_NOT_FOUND,
			Caller: &callv1.Party{Addresses: []string{"tel:+1\x1b[31m"}}, Dialled: "tel:+12025550198", CreatedAt: at(0), EndedAt: at(1),
			Ladder: []*callv1.LadderEntry{entry(0, "x\n\x1b[2J", "tandem", "offer", "a\tb")},
		},
		"empty": {},
	}
}

func TestGolden(t *testing.T) {
	for name, c := range records() {
		t.Run(name, func(t *testing.T) {
			var b strings.Builder
			if err := Write(&b, c, begin.Add(3*time.Second)); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", strings.ReplaceAll(name, " ", "-")+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if b.String() != string(want) {
				t.Errorf("have\n%s\nwant\n%s(go test -update writes it anew)", b.String(), want)
			}
			for _, r := range b.String() {
				if r < ' ' && r != '\n' {
					t.Errorf("a control character %q reaches the terminal", r)
				}
			}
		})
	}
}

func TestName(t *testing.T) {
	for want, p := range map[string]*callv1.Party{
		"":                            nil,
		"alice":                       {Subscriber: "alice"},
		"tel:+12025550101":            {Addresses: []string{"tel:+12025550101"}},
		"Alice <sip:alice@demo.test>": {Subscriber: "alice", DisplayName: "Alice", Addresses: []string{"sip:alice@demo.test", "x"}},
		"alice <tel:+12025550101>":    {Subscriber: "alice", Addresses: []string{"tel:+12025550101"}},
	} {
		if got := Name(p); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
