package schema_test

import (
	"crypto/rand"
	"fmt"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
)

var key = schema.NewIDKey([]byte("a secret of the cluster"))

// Rule: a call's id is a keyed hash over (principal, scope, reference), so a
// repeated wire message finds the same call, also after the adapter restarted.
func TestRepeatedReferenceFindsTheSameCall(t *testing.T) {
	id := key.CallID("alice", "!room:example.org", "c1")
	restarted := schema.NewIDKey([]byte("a secret of the cluster"))
	if again := restarted.CallID("alice", "!room:example.org", "c1"); again != id {
		t.Errorf("%s, after a restart %s", id, again)
	}
}

// Rule: each of principal, scope and reference tells calls apart, wherever the
// border between them lies.
func TestReferencesOfOthersNameOtherCalls(t *testing.T) {
	seen := map[string]string{}
	for _, p := range []string{"", "a", "ab", "abc"} {
		for _, s := range []string{"", "b", "bc", "c"} {
			for _, r := range []string{"", "c", "abc", "bc"} {
				id, name := key.CallID(p, s, r), fmt.Sprintf("%q %q %q", p, s, r)
				if other, dup := seen[id]; dup {
					t.Errorf("%s and %s are one call", name, other)
				}
				seen[id] = name
			}
		}
	}
}

// Rule: nobody can aim calls at one partition: without the cluster's secret an
// id cannot be foreseen.
func TestAnotherSecretGivesOtherIDs(t *testing.T) {
	other := schema.NewIDKey([]byte("another secret"))
	if key.CallID("alice", "s", "r") == other.CallID("alice", "s", "r") {
		t.Error("the id does not depend on the secret")
	}
	if other.Ours(key.CallID("alice", "s", "r")) {
		t.Error("another cluster's id counts as ours")
	}
}

// Rule: ids are UUIDv8 in canonical text (RFC 9562 section 5.8).
func TestIDsAreUUIDv8(t *testing.T) {
	for i := range 1000 {
		id := key.CallID("alice", "s", fmt.Sprint(i))
		canonical, ok := schema.CanonicalUUID(id)
		if !ok || canonical != id || id[14] != '8' || !strings.ContainsRune("89ab", rune(id[19])) {
			t.Fatalf("%q is no canonical UUIDv8", id)
		}
		if !strings.HasSuffix(id, "0000") {
			t.Fatalf("%q is a call's and has an ordinal", id)
		}
	}
}

// Rule: a Pipe has no reference: the host mints, never the same twice.
func TestMintedCallsAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for range 10_000 {
		id := key.NewCallID("alice", "grpcpipe")
		if seen[id] || !key.Ours(id) {
			t.Fatalf("%s is minted twice, or is not ours", id)
		}
		seen[id] = true
	}
	if a, b := schema.NewID(), schema.NewID(); a == b {
		t.Errorf("NewID gives %s twice", a)
	}
}

// Rule: legs have ids of their own, the call id with an ordinal, and no two
// legs share one.
func TestLegIDsRoundTrip(t *testing.T) {
	call := key.CallID("alice", "s", "r")
	seen := map[string]bool{}
	for n := uint32(0); n <= schema.MaxOrdinal; n++ {
		leg := schema.LegID(call, n)
		back, ordinal, ok := schema.SplitLegID(leg)
		if seen[leg] || !ok || back != call || ordinal != n {
			t.Fatalf("leg %d is %s, which is leg %d of %s (%v)", n, leg, ordinal, back, ok)
		}
		seen[leg] = true
	}
	if schema.LegID(call, 0) != call {
		t.Error("ordinal 0 is not the call itself")
	}
	if schema.LegID("nonsense", 1) != "" {
		t.Error("a leg of nonsense has an id")
	}
	if _, _, ok := schema.SplitLegID("nonsense"); ok {
		t.Error("nonsense splits into a call and an ordinal")
	}
}

// Rule: legs of different calls never share an id.
func TestLegsOfDifferentCallsDiffer(t *testing.T) {
	seen := map[string]bool{}
	for c := range 1000 {
		call := key.CallID("alice", "s", fmt.Sprint(c))
		for n := range uint32(8) {
			if id := schema.LegID(call, n); seen[id] {
				t.Fatalf("%s is used twice", id)
			} else {
				seen[id] = true
			}
		}
	}
}

// Rule: a leg id is shown in its protocol's character set; 32 hex digits
// (sylkRTC) and the hyphenated form, in any case, name the same leg.
func TestLegIDsInEveryProtocolsForm(t *testing.T) {
	leg := schema.LegID(key.CallID("alice", "s", "r"), 3)
	compact := schema.CompactUUID(leg)
	if len(compact) != 32 || strings.Trim(compact, "0123456789abcdef") != "" {
		t.Errorf("compact form %q", compact)
	}
	for _, form := range []string{leg, compact, strings.ToUpper(leg), strings.ToUpper(compact)} {
		if got, ok := schema.CanonicalUUID(form); !ok || got != leg {
			t.Errorf("%q is %q, %v; want %q", form, got, ok, leg)
		}
		if !key.Ours(form) {
			t.Errorf("%q is not ours", form)
		}
	}
	for _, bad := range []string{
		"", "x", leg[1:], leg + "0", compact[:31] + "g", leg[:8] + "0" + leg[9:], leg[:35] + "\n", strings.Repeat("-", 36),
	} {
		if got, ok := schema.CanonicalUUID(bad); ok {
			t.Errorf("%q is taken for the UUID %q", bad, got)
		}
	}
}

// Rule: an id of ours that names no call gives "no such call", never a new
// call: so ours must be told from a terminal's own UUIDs. The check has 16 bits;
// a terminal's own UUIDv8 passes it once in 65536 times.
func TestOursAreToldFromOthers(t *testing.T) {
	for i := range 1000 {
		call := key.CallID("alice", "s", fmt.Sprint(i))
		if !key.Ours(call) || !key.Ours(schema.LegID(call, 7)) {
			t.Fatalf("%s is not recognised", call)
		}
	}
	ours := 0
	for range 20_000 {
		var u [16]byte
		_, _ = rand.Read(u[:]) // never fails
		u[8] = u[8]&0x3f | 0x80
		u[6] = u[6]&0x0f | 0x40
		if id := fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]); key.Ours(id) {
			t.Fatalf("the UUIDv4 %s counts as ours", id)
		}
		u[6] = u[6]&0x0f | 0x80
		if id := fmt.Sprintf("%x-%x-%x-%x-%x", u[:4], u[4:6], u[6:8], u[8:10], u[10:]); key.Ours(id) {
			ours++
		}
	}
	if ours > 8 { // 0.3 are expected
		t.Errorf("%d of 20000 random UUIDv8 count as ours", ours)
	}
	for _, id := range []string{"", "s1", "00000000-0000-0000-0000-000000000000", strings.Repeat("f", 32)} {
		if key.Ours(id) {
			t.Errorf("%q counts as ours", id)
		}
	}
}

// Rule: calls spread evenly over the partitions, and legs do not matter.
func TestPartitionsSpreadEvenly(t *testing.T) {
	const calls = 64_000
	var count [schema.Partitions]int
	for i := range calls {
		p := schema.Partition(key.CallID("alice", "s", fmt.Sprint(i)))
		if p >= schema.Partitions {
			t.Fatalf("partition %d", p)
		}
		count[p]++
	}
	for p, n := range count {
		// 1000 are expected, with a standard deviation of 31.
		if n < 800 || n > 1200 {
			t.Errorf("partition %d gets %d of %d calls", p, n, calls)
		}
	}
}

// Partitions are part of stored subjects: the function must never change.
func TestPartitionIsFixed(t *testing.T) {
	for id, want := range map[string]uint32{ // FNV-1a, 32 bits, mod 64
		"":       0x811c9dc5 % 64,
		"a":      0xe40c292c % 64,
		"foobar": 0xbf9cf968 % 64,
	} {
		if got := schema.Partition(id); got != want {
			t.Errorf("Partition(%q) = %d, want %d", id, got, want)
		}
	}
}

func FuzzIDs(f *testing.F) {
	leg := schema.LegID(key.CallID("alice", "s", "r"), 1)
	f.Add(leg)
	f.Add(schema.CompactUUID(leg))
	f.Add("urn:uuid:" + leg)
	f.Add(strings.Repeat("-", 36))
	f.Fuzz(func(t *testing.T, s string) {
		canonical, ok := schema.CanonicalUUID(s)
		if !ok {
			if key.Ours(s) {
				t.Errorf("%q is no UUID and counts as ours", s)
			}
			return
		}
		if again, ok := schema.CanonicalUUID(canonical); !ok || again != canonical || len(canonical) != 36 {
			t.Errorf("%q is %q, which is %q", s, canonical, again)
		}
		call, n, ok := schema.SplitLegID(s)
		if !ok || schema.LegID(call, n) != canonical {
			t.Errorf("%q splits into %q and %d", s, call, n)
		}
		if key.Ours(s) != key.Ours(call) {
			t.Errorf("%q and its call %q do not belong to the same cluster", s, call)
		}
	})
}
