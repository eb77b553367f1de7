package sylkrtc

import (
	"encoding/json"
	"maps"
	"testing"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestParseAOR(t *testing.T) {
	for in, want := range map[string]string{
		"alice@example.com":            "alice@example.com",
		"sip:alice@example.com":        "alice@example.com",
		"SIPS:alice@Example.COM":       "alice@example.com",
		"Alice@example.com":            "Alice@example.com",
		"+12025550101@example.com":     "+12025550101@example.com",
		"":                             "",
		"alice":                        "",
		"@example.com":                 "",
		"alice@":                       "",
		"tel:+12025550101@example.com": "",
		"sip:sip:alice@example.com":    "",
		"alice:secret@example.com":     "",
		"al ice@example.com":           "",
	} {
		if a, ok := parseAOR(in); a.AOR() != want || ok != (want != "") {
			t.Errorf("%q is %q, %v; want %q", in, a.AOR(), ok, want)
		}
	}
}

func TestCredentials(t *testing.T) {
	a, _ := parseAOR("alice@Example.com")
	c := credentialsOf(a, "884EDFEE38ed471b8a15006700139485")
	if h := c.GetHa1(); h.GetAccount() != "alice@example.com" || h.GetHa1() != "884edfee38ed471b8a15006700139485" {
		t.Errorf("the digest is %v", h)
	}
	for _, token := range []string{"x", "884edfee38ed471b8a1500670013948", "g84edfee38ed471b8a15006700139485", "eyJhbGciOiJFUzI1NiJ9.e30.x"} {
		if b := credentialsOf(a, token).GetBearer(); b.GetToken() != token || b.GetMsisdn() != "" {
			t.Errorf("%q is %v", token, b)
		}
	}
}

func TestIdentity(t *testing.T) {
	for want, addresses := range map[string][]string{
		"carol@example.com":           {"tel:+12025550103", "sip:carol@example.com", "sip:x@alias.example"},
		"+12025550103@my.example":     {"tel:+12025550103"},
		"anonymous@anonymous.invalid": {"matrix:u/carol:example.org"},
	} {
		if got := identityOf(&callv1.Party{Addresses: addresses, DisplayName: "C"}, "my.example"); got.URI != want || got.DisplayName != "C" {
			t.Errorf("%v is shown as %v, want %s", addresses, got, want)
		}
	}
	if got := identityOf(nil, "x"); got.URI != "anonymous@anonymous.invalid" {
		t.Errorf("nobody is shown as %v", got)
	}
}

// Prefixes have no case, names keep theirs.
func TestWantedHeaders(t *testing.T) {
	hs := canonicalHeaders([]header{{"X-Foo", "1"}, {"x-bar", "2"}, {"X-FOO-2", "3"}, {"Other", "4"}})
	for prefix, want := range map[string]map[string]string{
		"x-foo": {"X-Foo": "1", "X-FOO-2": "3"},
		"X-":    {"X-Foo": "1", "x-bar": "2", "X-FOO-2": "3"},
		"o":     {"Other": "4"},
		"y":     nil,
	} {
		r, ok := parseAccountAdd(&fields{m: map[string]json.RawMessage{
			"account": json.RawMessage(`"a@b.example"`), "password": json.RawMessage(`"x"`),
			"incoming_header_prefixes": json.RawMessage(`["` + prefix + `"]`),
		}}).(*accountAdd)
		if got := wantedHeaders(hs, r.headerPrefixes); !ok || !maps.Equal(got, want) {
			t.Errorf("prefix %q: %v, want %v", prefix, got, want)
		}
	}
}

func TestUfrag(t *testing.T) {
	for in, want := range map[string]string{
		"candidate:0 1 UDP 2130379007 192.0.2.4 59051 typ host":                                      "",
		"candidate:0 1 UDP 2130379007 192.0.2.4 59051 typ host generation 0 ufrag Ab3d network-id 1": "Ab3d",
		"candidate:0 1 UDP 1 192.0.2.4 59051 typ srflx raddr 192.0.2.5 rport 9 generation 0 ufrag x": "x",
		"candidate:0 1 tcp 1 192.0.2.4 9 typ host tcptype active ufrag y":                            "y",
		"candidate:ufrag 1 UDP 1 192.0.2.4 59051 typ host":                                           "",
		"candidate:0 1 UDP 1 192.0.2.4 59051 typ host ufrag":                                         "",
		"ufrag ufrag ufrag ufrag ufrag ufrag ufrag ufrag foo ufrag":                                  "",
	} {
		if got := ufragOf(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

func TestOwnEnd(t *testing.T) {
	for _, c := range []struct {
		r          callv1.Reason
		s          side
		unanswered bool
		want       string
	}{
		{callv1.Reason_REASON_NORMAL, outgoing, false, "200 to BYE"},
		{callv1.Reason_REASON_UNSPECIFIED, outgoing, false, "200 to BYE"},
		{callv1.Reason_REASON_UNSPECIFIED, outgoing, true, "487 Request Terminated"},
		{callv1.Reason_REASON_UNSPECIFIED, incoming, true, "486 Busy Here"},
		{callv1.Reason_REASON_CANCELLED, outgoing, true, "487 Request Terminated"},
		{callv1.Reason_REASON_DECLINED, incoming, true, "486 Busy Here"},
		{callv1.Reason_REASON_ANSWERED_ELSEWHERE, incoming, true, "487 Request Terminated"},
		{callv1.Reason_REASON_MEDIA_FAILED, outgoing, false, "500 Media Failed"},
	} {
		if got := ownEndText(c.r, c.s, c.unanswered); got != c.want {
			t.Errorf("%+v: %q", c, got)
		}
	}
}

// Who calls is never what a client's headers say.
func TestHeadersVouchedFor(t *testing.T) {
	for name, want := range map[string]bool{
		"P-Asserted-Identity": false, "p-asserted-identity": false, "P-ASSERTED-IDENTITY": false,
		"P-Preferred-Identity": false, "Remote-Party-ID": false, "P-Charge-Info": false, "P-Served-User": false,
		"From": false, "f": false, "To": false, "T": false, "Contact": false, "m": false, "Via": false, "v": false,
		"Identity": false, "y": false, "Diversion": false, "History-Info": false, "Privacy": false,
		"Referred-By": false, "Record-Route": false, "Call-ID": false, "Proxy-Authorization": false,
		"X-From": true, "X-P-Asserted-Identity": true, "P-Application": true, "Subject": true, "User-Agent": true, "Call-Info": true,
	} {
		got := canonicalHeaders([]header{{"X-First", "1"}, {name, "Boss <sip:boss@example.com>"}, {"X-Last", "2"}})
		if there := len(got) == 3; there != want || got[0].GetName() != "X-First" || got[len(got)-1].GetName() != "X-Last" {
			t.Errorf("%s: carried are %v", name, got)
		}
	}
}
