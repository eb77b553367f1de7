package schema_test

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
)

// Rule: the sender's kind and node are in the subject of whatever it sends, and
// the receiver reads them there.
func TestSubjectsCarryTheirSender(t *testing.T) {
	call := key.CallID("alice", "s", "r")
	leg := schema.LegID(call, 1)
	for _, s := range []string{
		schema.CommandSubject("sylkrtc", "n-1", call),
		schema.SignalSubject("m1", "sylkrtc", "n-1", leg),
		schema.DirectorySubject("sylkrtc", "n-1"),
	} {
		kind, node, ok := schema.SenderOf(s)
		if !ok || kind != "sylkrtc" || node != "n-1" {
			t.Errorf("SenderOf(%q) = %q, %q, %v", s, kind, node, ok)
		}
	}
	for _, s := range []string{
		"", "dir", "dir.v1.a", "call.v1.cmd.a.b.0", "call.v1.cmd.a.b.0.c.d", "media.v1.cmd.a.b.c.d",
		schema.EventSubject("sylkrtc", "n-1", leg), schema.MediaSubject("m1", call),
	} {
		if kind, node, ok := schema.SenderOf(s); ok {
			t.Errorf("SenderOf(%q) = %q, %q", s, kind, node)
		}
	}
}

// Every subject is covered by the filter of its receiver, and by no other's.
func TestFiltersCoverTheirSubjects(t *testing.T) {
	call := key.CallID("alice", "s", "r")
	leg, p := schema.LegID(call, 1), schema.Partition(call)
	for _, c := range []struct {
		subject, last string
		filters, not  []string
	}{
		{
			schema.CommandSubject("sylkrtc", "n1", call), call,
			[]string{schema.CommandFilter(p)},
			[]string{schema.CommandFilter((p + 1) % schema.Partitions), schema.RecordFilter(p)},
		},
		{
			schema.EventSubject("sylkrtc", "n1", leg), leg,
			[]string{schema.EventFilter("sylkrtc", "n1")},
			[]string{schema.EventFilter("sylkrtc", "n2"), schema.EventFilter("grpcpipe", "n1")},
		},
		{
			schema.SignalSubject("m1", "sylkrtc", "n1", leg), leg,
			[]string{schema.SignalFilter("m1")},
			[]string{schema.SignalFilter("sylkrtc"), schema.SignalFilter("m2")},
		},
		{
			schema.MediaSubject("m1", call), call,
			[]string{schema.MediaFilter("m1")},
			[]string{schema.MediaFilter("m2")},
		},
		{
			schema.DirectorySubject("sylkrtc", "n1"), "n1",
			[]string{schema.DirectoryFilter},
			[]string{schema.MediaFilter("n1")},
		},
		{
			schema.RecordSubject(call, "alice", "bob"), "bob",
			append([]string{
				schema.RecordFilter(p), schema.AllRecordsFilter, schema.RecordOf(call), schema.SubscriberFilters("alice")[0],
			}, schema.SubscriberFilters("bob")[1]),
			[]string{
				schema.RecordFilter((p + 1) % schema.Partitions), schema.RecordOf(key.CallID("alice", "s", "other")),
				schema.SubscriberFilters("alice")[1], schema.SubscriberFilters("bob")[0],
			},
		},
	} {
		for _, f := range c.filters {
			if !matches(f, c.subject) {
				t.Errorf("%q does not cover %q", f, c.subject)
			}
		}
		for _, f := range c.not {
			if matches(f, c.subject) {
				t.Errorf("%q covers %q", f, c.subject)
			}
		}
		if got := schema.LastToken(c.subject); got != c.last {
			t.Errorf("LastToken(%q) = %q", c.subject, got)
		}
	}
	if schema.LastToken("one") != "one" {
		t.Error("the last token of one token is not itself")
	}
}

// Rule: the pair claim is one record for both directions of a call; a call's
// record is found from either subscriber.
func TestPairSubjects(t *testing.T) {
	odd := []string{"alice", "bob", "a.b", "a>b", "a*b", "a=2Eb", "jürgen", "", "x y", "A", "a", strings.Repeat("z", 65)}
	seen := map[string][2]string{}
	for _, a := range odd {
		for _, b := range odd {
			s := schema.PairSubject(a, b)
			if s != schema.PairSubject(b, a) {
				t.Errorf("the pair of %q and %q depends on who calls", a, b)
			}
			pair := [2]string{min(a, b), max(a, b)}
			if other, dup := seen[s]; dup && other != pair {
				t.Errorf("%q stands for %q and %q", s, pair, other)
			}
			seen[s] = pair
			record := schema.RecordSubject(key.CallID("x", "y", "z"), a, b)
			if !matches(schema.SubscriberFilters(a)[0], record) || !matches(schema.SubscriberFilters(b)[1], record) {
				t.Errorf("%q and %q do not find their call %q", a, b, record)
			}
			if schema.CallOfRecord(record) != key.CallID("x", "y", "z") || schema.CallOfRecord(s) != "" {
				t.Errorf("the call of %q is %q", record, schema.CallOfRecord(record))
			}
			if strings.ContainsAny(s, " *>\r\n") || strings.Count(s, ".") != 4 {
				t.Errorf("%q is no subject", s)
			}
		}
	}
}

// Escaping a subscriber id for a subject is one to one, whatever the id.
func TestTokenEscapingIsOneToOne(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	alphabet := []string{"a", "B", "9", "-", "_", "=", "=2", "E", ".", "*", ">", " ", "ü", "\xff", "\x00"}
	seen := map[string]string{}
	for range 50_000 {
		var b strings.Builder
		for range 1 + r.IntN(4) {
			b.WriteString(alphabet[r.IntN(len(alphabet))])
		}
		id := b.String()
		s := schema.PairSubject(id, id)
		if other, dup := seen[s]; dup && other != id {
			t.Fatalf("%q and %q are both %q", id, other, s)
		}
		seen[s] = id
	}
}

func TestValidToken(t *testing.T) {
	for s, want := range map[string]bool{
		"a": true, "sylkrtc": true, "node-1_A": true, strings.Repeat("x", 64): true,
		"": false, "a.b": false, "*": false, ">": false, "a b": false, "ü": false, "=": false, strings.Repeat("x", 65): false,
	} {
		if schema.ValidToken(s) != want {
			t.Errorf("ValidToken(%q) is %v", s, !want)
		}
	}
}

// matches applies a filter with "*" for one token, as NATS does.
func matches(filter, subject string) bool {
	if start, rest := strings.CutSuffix(filter, ".>"); rest {
		n := strings.Count(start, ".") + 1
		tokens := strings.Split(subject, ".")
		return len(tokens) > n && matches(start, strings.Join(tokens[:n], "."))
	}
	return slices.EqualFunc(strings.Split(filter, "."), strings.Split(subject, "."),
		func(f, s string) bool { return f == s || f == "*" && s != "" })
}
