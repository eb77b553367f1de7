package schema_test

import (
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestParseAddress(t *testing.T) {
	long := strings.Repeat("a", 240)
	for _, c := range []struct{ in, want string }{ // want "" means refused
		{"tel:+12025550101", "tel:+12025550101"},
		{"TEL:+1-202-555-0101", "tel:+12025550101"},
		{"tel:+1(202)555.0101", "tel:+12025550101"},
		{"tel:+123456789012345", "tel:+123456789012345"},
		{"tel:+1234567890123456", ""},
		{"tel:+12", ""},
		{"tel:+02025550101", ""},
		{"tel:+", ""},
		{"tel:12025550101", ""},
		{"tel:+1202555O101", ""},
		{"tel:+1 202 555 0101", ""},
		{"tel:+12025550101;ext=7", ""},
		{"tel:7042;phone-context=example.com", ""},

		{"sip:alice@example.com", "sip:alice@example.com"},
		{"SIPS:Alice@Example.COM", "sip:Alice@example.com"},
		{"sip:alice@example.com.", "sip:alice@example.com"},
		{"sip:%61lice@example.com", "sip:alice@example.com"},
		{"sip:a%20b@example.com", "sip:a%20b@example.com"},
		{"sip:a%2fb@example.com", "sip:a/b@example.com"},
		{"sip:j%C3%BCrgen@example.com", "sip:j%C3%BCrgen@example.com"},
		{"sip:jürgen@example.com", "sip:j%C3%BCrgen@example.com"},
		{"sip:alice@example.com;transport=tcp;user=phone", "sip:alice@example.com"},
		{"sip:alice;day=tuesday@example.com", "sip:alice;day=tuesday@example.com"},
		{"sip:+12025550101@example.com", "sip:+12025550101@example.com"},
		{"sip:alice@192.0.2.1", "sip:alice@192.0.2.1"},
		{"sip:alice@[2001:DB8:0::1]", "sip:alice@[2001:db8::1]"},
		{"sip:alice@xn--bcher-kva.example", "sip:alice@xn--bcher-kva.example"},
		{"sip:alice@localhost", "sip:alice@localhost"},
		{"sip:alice@bücher.example", ""},
		{"sip:alice@\u212aelvin.example", ""},
		{"sip:alice@example.com?subject=x", ""},
		{"sip:alice:secret@example.com", ""},
		{"sip:alice@example.com:5060", ""},
		{"sip:alice@", ""},
		{"sip:@example.com", ""},
		{"sip:example.com", ""},
		{"sip:al ice@example.com", ""},
		{"sip:alice@exa mple.com", ""},
		{"sip:alice@-example.com", ""},
		{"sip:alice@example..com", ""},
		{"sip:alice@[::1", ""},
		{"sip:alice@[fe80::1%25eth0]", ""},
		{"sip:alice@bob@example.com", ""},
		{"sip:a%0d%0ab@example.com", ""},
		{"sip:a%00@example.com", ""},
		{"sip:a%c2%85@example.com", ""},
		{"sip:a%ff@example.com", ""},
		{"sip:a%4@example.com", ""},
		{"sip:a%zz@example.com", ""},
		{"sip:" + long + "@e.com", "sip:" + long + "@e.com"},
		{"sip:" + long + "@example.com", ""},
		{"sip:a@" + strings.Repeat("a", 64) + ".com", ""},

		{"matrix:u/alice:example.org", "matrix:u/alice:example.org"},
		{"matrix:user/alice:example.org", "matrix:u/alice:example.org"},
		{"matrix:u/alice:example.org?action=chat", "matrix:u/alice:example.org"},
		{"matrix:u/a%2Fb:example.org", "matrix:u/a%2Fb:example.org"},
		{"matrix:u/Alice:Example.org:8448", "matrix:u/Alice:Example.org:8448"},
		{"matrix:u/alice:%5B2001:db8::1%5D:8448", "matrix:u/alice:%5B2001:db8::1%5D:8448"},
		{"matrix:u/alice", ""},
		{"matrix:u/:example.org", ""},
		{"matrix:u/alice:", ""},
		{"matrix:u/al%20ice:example.org", ""},
		{"matrix:u/alice:example.org#x", ""},
		{"matrix:u/alice:example.org:port", ""},
		{"matrix:r/room:example.org", ""},
		{"matrix://example.org/u/alice:example.org", ""},

		{"", ""},
		{"alice@example.com", ""},
		{"+12025550101", ""},
		{"http://example.com", ""},
		{"sip", ""},
		{strings.Repeat("tel:", 1000), ""},
	} {
		a, err := schema.ParseAddress(c.in)
		if a.String() != c.want || (err == nil) != (c.want != "") {
			t.Errorf("ParseAddress(%q) = %q, %v; want %q", c.in, a, err, c.want)
		}
		wantInvalid(t, c.in, err)
	}
}

func TestParseDialled(t *testing.T) {
	for _, c := range []struct{ in, domain, want string }{
		{"+12025550101", "", "tel:+12025550101"},
		{" +1 (202) 555-0101 ", "", "tel:+12025550101"},
		{"+12025550101@demo.test", "", "tel:+12025550101"},
		{"+1 202 555 0101@demo.test", "", "tel:+12025550101"},
		{"sip:+12025550101@demo.test;user=phone", "", "tel:+12025550101"},
		{"sips:+12025550101@demo.test", "", "tel:+12025550101"},
		{"tel:+1-202-555-0101", "demo.test", "tel:+12025550101"},
		{"bob@Demo.Test", "", "sip:bob@demo.test"},
		{"sip:bob@demo.test", "", "sip:bob@demo.test"},
		{"bob@demo.test;transport=wss", "", "sip:bob@demo.test"},
		{"1001@demo.test", "", "sip:1001@demo.test"},
		{"bob", "demo.test", "sip:bob@demo.test"},
		{"room42", "demo.test", "sip:room42@demo.test"},
		{"@bob:example.org", "demo.test", "matrix:u/bob:example.org"},
		{"matrix:u/bob:example.org", "", "matrix:u/bob:example.org"},

		{"0012025550101", "demo.test", ""},
		{"0012025550101", "", ""},
		{"12025550101", "demo.test", ""},
		{"(202) 555-0101", "demo.test", ""},
		{"*100#", "demo.test", ""},
		{"bob", "", ""},
		{"bob", "not a domain", ""},
		{"+bob", "demo.test", ""},
		{"+", "demo.test", ""},
		{"@bob", "demo.test", ""},
		{"@", "demo.test", ""},
		{"", "demo.test", ""},
		{"  ", "demo.test", ""},
		{"bob smith", "demo.test", ""},
		{"bob@", "demo.test", ""},
		{"https://demo.test/", "demo.test", ""},
		{"bob\r\nX: y", "demo.test", ""},
		{"@" + strings.Repeat("b", 250) + ":example.org", "", ""},
		{strings.Repeat("b", 250) + "@example.org", "", ""},
		{strings.Repeat("b", 250), "example.org", ""},
		{strings.Repeat("+1", 4096), "", ""},
	} {
		a, err := schema.ParseDialled(c.in, c.domain)
		if a.String() != c.want || (err == nil) != (c.want != "") {
			t.Errorf("ParseDialled(%q, %q) = %q, %v; want %q", c.in, c.domain, a, err, c.want)
		}
		wantInvalid(t, c.in, err)
	}
}

func TestAddressParts(t *testing.T) {
	type parts struct {
		scheme                          schema.Scheme
		e164, aor, mxid, user, domain   string
		isTel, isSIP, isMatrix, isEmpty bool
	}
	for in, want := range map[string]parts{
		"tel:+12025550101":           {"tel", "+12025550101", "", "", "+12025550101", "", true, false, false, false},
		"sip:a%20b@example.com":      {"sip", "", "a%20b@example.com", "", "a b", "example.com", false, true, false, false},
		"matrix:u/a%2Fb:example.org": {"matrix", "", "", "@a/b:example.org", "a/b", "example.org", false, false, true, false},
		"":                           {isEmpty: true},
	} {
		var a schema.Address
		if err := a.UnmarshalText([]byte(in)); err != nil {
			t.Errorf("UnmarshalText(%q): %v", in, err)
		}
		got := parts{a.Scheme(), a.E164(), a.AOR(), a.MatrixID(), a.User(), a.Domain(), a.IsTel(), a.IsSIP(), a.IsMatrix(), a.IsZero()}
		if got != want {
			t.Errorf("%q: %+v, want %+v", in, got, want)
		}
		if text, err := a.MarshalText(); err != nil || string(text) != in {
			t.Errorf("MarshalText of %q: %q, %v", in, text, err)
		}
	}
	var a schema.Address
	if err := a.UnmarshalText([]byte("bob")); err == nil {
		t.Error(`UnmarshalText("bob") succeeds`)
	}
}

// Addresses are map keys and are compared with ==, so that two spellings of one
// address are one.
func TestAddressesAreComparable(t *testing.T) {
	a, _ := schema.ParseAddress("sip:%62ob@DEMO.test;lr")
	b, _ := schema.ParseDialled("bob@demo.test", "")
	if a != b || a.IsZero() {
		t.Errorf("%v != %v", a, b)
	}
}

func TestFirstOf(t *testing.T) {
	p := &callv1.Party{Addresses: []string{
		"sip:", "garbage", "sip:alice@demo.test", "tel:+12025550101", "tel:+12025550102", "sip:+12025550101@demo.test",
	}}
	for scheme, want := range map[schema.Scheme]string{
		schema.SchemeSIP: "sip:alice@demo.test", schema.SchemeTel: "tel:+12025550101", schema.SchemeMatrix: "",
	} {
		a, ok := schema.FirstOf(p, scheme)
		if a.String() != want || ok != (want != "") {
			t.Errorf("FirstOf(%s) = %q, %v; want %q", scheme, a, ok, want)
		}
	}
	if _, ok := schema.FirstOf(nil, schema.SchemeTel); ok {
		t.Error("FirstOf(nil) finds an address")
	}
}

// Normalising twice changes nothing, whatever the spelling.
func TestNormalisationIsIdempotent(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	pieces := []string{
		"tel:", "sip:", "sips:", "matrix:u/", "+", "1", "202", "555", "-", "(", ")", ".", "@", ":", ";", "?", "%", "%41", "%2f",
		"%C3%BC", "ü", "alice", "Bob", "demo.test", "Example.ORG", "[::1]", "[2001:DB8::0]", "8448", " ", "/", "#", "\n", "x=y",
	}
	for range 50_000 {
		var b strings.Builder
		for range 1 + r.IntN(7) {
			b.WriteString(pieces[r.IntN(len(pieces))])
		}
		checkNormalised(t, b.String())
	}
}

func FuzzAddress(f *testing.F) {
	for _, s := range []string{
		"tel:+1(202)555-0101", "sip:j%C3%BCrgen@Example.com;transport=tcp", "sips:a@[2001:db8::1]", "matrix:u/a%2Fb:example.org:8448",
		"+1 202 555 0101@demo.test", "@bob:example.org", "bob", "0012025550101", "sip:a%00@b", "matrix:user/x:y?via=z",
	} {
		f.Add(s)
	}
	f.Fuzz(checkNormalised)
}

func checkNormalised(t *testing.T, in string) {
	a, err := schema.ParseAddress(in)
	wantInvalid(t, in, err)
	if err == nil {
		checkCanonical(t, in, a)
	}
	d, err := schema.ParseDialled(in, "demo.test")
	wantInvalid(t, in, err)
	if err == nil {
		checkCanonical(t, in, d)
	}
	if a.IsTel() && !strings.ContainsAny(in, " \t\r\n") && d != a {
		t.Errorf("%q: parsed %v, dialled %v", in, a, d)
	}
}

func checkCanonical(t *testing.T, in string, a schema.Address) {
	t.Helper()
	s := a.String()
	again, err := schema.ParseAddress(s)
	if err != nil || again != a || again.String() != s {
		t.Errorf("%q normalises to %q, which normalises to %q, %v", in, s, again, err)
	}
	if len(s) > schema.MaxAddress || s == "" || strings.ContainsAny(s, " \r\n\x00\"<>") {
		t.Errorf("%q normalises to %q", in, s)
	}
	if !schema.IsCanonicalAddress(s) {
		t.Errorf("%q normalises to %q, which is not canonical", in, s)
	}
}

func wantInvalid(t *testing.T, in string, err error) {
	t.Helper()
	var e *schema.Error
	if err != nil && (!errors.As(err, &e) || e.Code != callv1.Code_CODE_INVALID || e.Message == "") {
		t.Errorf("%q: refused with %#v, want CODE_INVALID with a message", in, err)
	}
}
