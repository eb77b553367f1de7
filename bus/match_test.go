package bus_test

import (
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/bus"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		filter, subject string
		want            bool
	}{
		{"a", "a", true},
		{"a", "b", false},
		{"a", "a.b", false},
		{"a.b", "a", false},
		{"*", "a", true},
		{"*", "a.b", false},
		{"*.*", "a.b", true},
		{"a.*", "a", false},
		{"a.*.c", "a.b.c", true},
		{"a.*.c", "a.b.d", false},
		{">", "a", true},
		{">", "a.b.c", true},
		{"a.>", "a", false},
		{"a.>", "a.b", true},
		{"a.>", "a.b.c", true},
		{"a.>", "b.b", false},
		{"*.>", "a.b", true},
		{"a.b.c", "a.b.c", true},
		{"ab", "a.b", false},
	} {
		if got := bus.Match(c.filter, c.subject); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.filter, c.subject, got)
		}
	}
}

func TestValid(t *testing.T) {
	for _, c := range []struct {
		s                    string
		subject, filter, key bool
	}{
		{"a", true, true, true},
		{"a.b-c_d=E.9", true, true, true},
		{"a/b", true, true, false},
		{"ä", true, true, false},
		{"a*", true, true, false},
		{"*", false, true, false},
		{">", false, true, false},
		{"a.*.b", false, true, false},
		{"a.>", false, true, false},
		{"a.>.b", false, false, false},
		{"", false, false, false},
		{".", false, false, false},
		{"a.", false, false, false},
		{".a", false, false, false},
		{"a..b", false, false, false},
		{"a b", false, false, false},
		{"a\x00", false, false, false},
		{"a\x7f", false, false, false},
	} {
		got := [3]bool{bus.ValidSubject(c.s), bus.ValidFilter(c.s), bus.ValidKey(c.s)}
		if got != [3]bool{c.subject, c.filter, c.key} {
			t.Errorf("%q: subject, filter, key: %v", c.s, got)
		}
	}
}

// A subject matches itself, and the filters made of it by wildcards.
func FuzzMatch(f *testing.F) {
	for _, s := range []string{"a", "a.b.c", "call.v1.rec.7.x", "*", "a..b", ">"} {
		f.Add(s, uint8(1))
	}
	f.Fuzz(func(t *testing.T, s string, at uint8) {
		if !bus.ValidSubject(s) {
			return
		}
		tokens := strings.Split(s, ".")
		i := int(at) % len(tokens)
		rest := strings.Join(append(append([]string{}, tokens[:i]...), ">"), ".")
		tokens[i] = "*"
		for _, filter := range []string{s, strings.Join(tokens, "."), rest} {
			if !bus.ValidFilter(filter) || !bus.Match(filter, s) {
				t.Errorf("%q does not match %q", filter, s)
			}
		}
		if bus.Match(s, s+".x") || bus.Match(s+".x", s) || bus.Match(s+".>", s) {
			t.Errorf("%q matches what is longer or shorter", s)
		}
	})
}
