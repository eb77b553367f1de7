package pionleg

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
)

func TestExternalAddressesAreRead(t *testing.T) {
	for text, want := range map[string]string{
		"192.0.2.1":             "192.0.2.1  0",
		"192.0.2.1:7900":        "192.0.2.1  7900",
		"[192.0.2.1]:7900":      "192.0.2.1  7900",
		"[192.0.2.1]":           "192.0.2.1  0",
		"2001:db8::1":           "2001:db8::1  0",
		"[2001:db8::1]":         "2001:db8::1  0",
		"[2001:db8::1]:7900":    "2001:db8::1  7900",
		"::ffff:192.0.2.1":      "192.0.2.1  0",
		"media":                 "invalid IP media 0",
		"media.example.org:123": "invalid IP media.example.org 123",
		"[media]:123":           "invalid IP media 123",
		"fe80::1%eth0":          "", // good on one link of one machine only
		"[fe80::1%eth0]:7900":   "",
		"[2001:db8::1":          "",
		"[2001:db8::1]:":        "",
		"[]:7900":               "",
		":7900":                 "",
		"192.0.2":               "",
		"2001:db8::1::":         "",
	} {
		got := ""
		if e, ok := ParseExternal(text); ok {
			got = fmt.Sprint(e.IP, " ", e.Name, " ", e.Port)
		}
		if got != want {
			t.Errorf("%q: %q instead of %q", text, got, want)
		}
	}
}

func addresses(texts ...string) (out []netip.Addr) {
	for _, t := range texts {
		out = append(out, netip.MustParseAddr(t))
	}
	return out
}

func TestExternalAddressesHaveThePort(t *testing.T) {
	got, err := externalAddresses([]string{"192.0.2.1", "[2001:db8::1]:30790", "2001:db8::2"}, 7900, addresses("127.0.0.1"))
	if want := "[192.0.2.1:7900 [2001:db8::1]:30790 [2001:db8::2]:7900]"; err != nil || fmt.Sprint(got) != want {
		t.Errorf("%v, %v; want %s", got, err, want)
	}
}

func TestNamesAreLookedUpInTheFamiliesThatAreHeard(t *testing.T) {
	for want, list := range map[string][]netip.Addr{
		"ip4": addresses("10.0.0.1", "127.0.0.1"), "ip6": addresses("fd00::1"), "ip": addresses("fd00::1", "10.0.0.1"),
	} {
		if got := families(list); got != want {
			t.Errorf("%v: %s", list, got)
		}
	}
}

func TestUsableAddresses(t *testing.T) {
	four, six, link, loop, loop6 := "10.0.0.1", "2001:db8::1", "fe80::1", "127.0.0.1", "::1"
	for _, c := range []struct {
		what      string
		found     []string
		v6, named bool
		want      []string
	}{
		{"IPv4 alone was asked for", []string{loop, loop6, four, six, link}, false, false, []string{four}},
		{"both", []string{loop, loop6, four, six, link}, true, false, []string{four, six}},
		{"a host with IPv6 only", []string{loop, loop6, six, link}, false, false, []string{six}},
		{"a host without a network", []string{loop, loop6}, false, false, []string{loop}},
		{"the same, both", []string{loop, loop6}, true, false, []string{loop, loop6}},
		{"loopback by name", []string{loop, loop6}, false, true, []string{loop}},
		{"loopback and a network with IPv6, by name", []string{loop, loop6, six}, false, true, []string{loop}},
		{"both by name", []string{loop, loop6, four, six}, true, true, []string{four, six, loop, loop6}},
		{"nothing but a link", []string{link}, true, false, nil},
	} {
		if got := usable(addresses(c.found...), c.v6, c.named); !slices.Equal(got, addresses(c.want...)) {
			t.Errorf("%s: %v instead of %v", c.what, got, c.want)
		}
	}
}
