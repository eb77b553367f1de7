package schema_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func event() *callv1.Event {
	return &callv1.Event{
		CallId: callID, LegId: legID, Number: 1, Ref: "s1", TerminalId: "T1", MediaNode: "m1", Subscriber: "alice",
		Body: &callv1.Event_Incoming{Incoming: &callv1.Incoming{
			Sdp: "v=0\r\n", Caller: party(), Dialled: "tel:+12025550102", Headers: []*callv1.Header{{Name: "x", Value: "y"}},
		}},
	}
}

func TestEvents(t *testing.T) {
	answered := &callv1.Event_Answered{Answered: &callv1.Answered{Sdp: "v=0\r\n"}}
	for _, c := range []struct {
		spoil func(e *callv1.Event)
		field string // "-" passes
	}{
		{func(*callv1.Event) {}, "-"},
		{func(e *callv1.Event) { e.Body = answered }, "-"},
		{func(e *callv1.Event) { e.Body = &callv1.Event_Alerting{} }, "-"},
		{func(e *callv1.Event) { e.Body = &callv1.Event_Established{} }, "-"},
		{func(e *callv1.Event) { e.Body, e.Number = &callv1.Event_Probe{}, 0 }, "-"},
		{func(e *callv1.Event) {
			e.Body = &callv1.Event_Ended{Ended: &callv1.Ended{Reason: callv1.Reason_REASON_BUSY, Peer: party()}}
		}, "-"},
		{func(e *callv1.Event) { e.CallId = "" }, "call_id"},
		{func(e *callv1.Event) { e.LegId = callID }, "leg_id"},
		{func(e *callv1.Event) { e.Ref = "\n" }, "ref"},
		{func(e *callv1.Event) { e.TerminalId = "" }, "terminal_id"},
		{func(e *callv1.Event) { e.MediaNode = "a.b" }, "media_node"},
		{func(e *callv1.Event) { e.Subscriber = "\x1b[2J" }, "subscriber"},
		{func(e *callv1.Event) { e.Number = 0 }, "number"},
		{func(e *callv1.Event) { e.Body = &callv1.Event_Probe{} }, "number"},
		{func(e *callv1.Event) { e.GetIncoming().Sdp = "" }, "incoming.sdp"},
		{func(e *callv1.Event) { e.GetIncoming().Caller = nil }, "incoming.caller"},
		{func(e *callv1.Event) { e.GetIncoming().Dialled = "bob" }, "incoming.dialled"},
		{func(e *callv1.Event) { e.GetIncoming().Headers[0].Value = "a\nb" }, "incoming.headers[0].value"},
		{func(e *callv1.Event) { e.Body = &callv1.Event_Answered{} }, "answered.sdp"},
		{func(e *callv1.Event) {
			e.Body = &callv1.Event_Answered{Answered: &callv1.Answered{Sdp: "v=0", Callee: &callv1.Party{}}}
		}, "answered.callee.addresses"},
		{func(e *callv1.Event) { e.Body = &callv1.Event_Ended{} }, "ended.reason"},
		{func(e *callv1.Event) { e.Body = &callv1.Event_Ended{Ended: &callv1.Ended{Reason: 99}} }, "ended.reason"},
		{func(e *callv1.Event) { e.Body = nil }, "body"},
	} {
		e := event()
		c.spoil(e)
		check(t, e, schema.ValidateEvent(e, schema.Limits{}), c.field)
	}
	wantField(t, "nil", schema.ValidateEvent(nil, schema.Limits{}), "")
}

func TestSignals(t *testing.T) {
	one := func(c *callv1.Candidate) *callv1.Signal_Candidates {
		return &callv1.Signal_Candidates{Candidates: &callv1.Candidates{Candidates: []*callv1.Candidate{c}}}
	}
	digit := func(s string, ms uint32) *callv1.Signal_Dtmf {
		return &callv1.Signal_Dtmf{Dtmf: &callv1.Dtmf{Digit: s, DurationMs: ms}}
	}
	for _, c := range []struct {
		s     *callv1.Signal
		field string
	}{
		{&callv1.Signal{Body: one(&callv1.Candidate{Candidate: "candidate:1 1 udp 1 192.0.2.1 9 typ host", Mid: "0", MLine: -1})}, "-"},
		{&callv1.Signal{Body: one(&callv1.Candidate{Mid: "0", Ufrag: "abcd"})}, "-"},
		{&callv1.Signal{Body: &callv1.Signal_Candidates{Candidates: &callv1.Candidates{End: true}}}, "-"},
		{&callv1.Signal{Body: digit("5", 0)}, "-"},
		{&callv1.Signal{Body: digit("#", 10_000)}, "-"},
		{&callv1.Signal{Body: digit("D", 1)}, "-"},
		{&callv1.Signal{LegId: "x", Body: digit("5", 0)}, "leg_id"},
		{&callv1.Signal{Principal: "\x00", Body: digit("5", 0)}, "principal"},
		{&callv1.Signal{Body: digit("", 0)}, "dtmf.digit"},
		{&callv1.Signal{Body: digit("E", 0)}, "dtmf.digit"},
		{&callv1.Signal{Body: digit("12", 0)}, "dtmf.digit"},
		{&callv1.Signal{Body: digit("1", 10_001)}, "dtmf.duration_ms"},
		{&callv1.Signal{Body: digit("1", 1<<32-1)}, "dtmf.duration_ms"},
		{&callv1.Signal{Body: &callv1.Signal_Candidates{}}, "candidates.candidates"},
		{&callv1.Signal{Body: &callv1.Signal_Candidates{
			Candidates: &callv1.Candidates{Candidates: make([]*callv1.Candidate, 65)},
		}}, "candidates.candidates"},
		{&callv1.Signal{Body: one(&callv1.Candidate{Candidate: strings.Repeat("x", 1025)})}, "candidates.candidates[0].candidate"},
		{&callv1.Signal{Body: one(&callv1.Candidate{Candidate: "a\r\na=x"})}, "candidates.candidates[0].candidate"},
		{&callv1.Signal{Body: one(&callv1.Candidate{Mid: strings.Repeat("x", 129)})}, "candidates.candidates[0].mid"},
		{&callv1.Signal{Body: one(&callv1.Candidate{Ufrag: strings.Repeat("x", 257)})}, "candidates.candidates[0].ufrag"},
		{&callv1.Signal{Body: one(&callv1.Candidate{MLine: -2})}, "candidates.candidates[0].m_line"},
		{&callv1.Signal{Body: one(&callv1.Candidate{MLine: 256})}, "candidates.candidates[0].m_line"},
		{&callv1.Signal{}, "body"},
	} {
		if c.s.LegId == "" {
			c.s.LegId = legID
		}
		check(t, c.s, schema.ValidateSignal(c.s, schema.Limits{}), c.field)
	}
	wantField(t, "nil", schema.ValidateSignal(nil, schema.Limits{}), "")
}

func TestMediaCommands(t *testing.T) {
	takeOffer := &callv1.MediaOp_TakeOffer{TakeOffer: &callv1.TakeOffer{Sdp: "v=0\r\n"}}
	for _, c := range []struct {
		op    *callv1.MediaOp
		field string
	}{
		{&callv1.MediaOp{LegId: legID, Revision: 1, Op: takeOffer}, "-"},
		{&callv1.MediaOp{LegId: legID, Revision: 1, Op: &callv1.MediaOp_TakeAnswer{TakeAnswer: &callv1.TakeAnswer{Sdp: "v=0"}}}, "-"},
		{&callv1.MediaOp{LegId: legID, Revision: 1, Op: &callv1.MediaOp_MakeOffer{MakeOffer: &callv1.MakeOffer{FromLegId: leg2ID}}}, "-"},
		{&callv1.MediaOp{LegId: legID, Revision: 1, Op: &callv1.MediaOp_MakeAnswer{}}, "-"},
		{&callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_Bridge{Bridge: &callv1.Bridge{PeerLegId: leg2ID}}}, "-"},
		{&callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_Release{}}, "-"},
		{&callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_Keep{}}, "-"},
		{&callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_Report{}}, "-"},
		{&callv1.MediaOp{Op: takeOffer, Revision: 1}, "ops[1].leg_id"},
		{&callv1.MediaOp{LegId: legID, Op: takeOffer}, "ops[1].revision"},
		{&callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_TakeAnswer{}}, "ops[1].revision"},
		{&callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_MakeOffer{}}, "ops[1].revision"},
		{&callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_MakeAnswer{}}, "ops[1].revision"},
		{&callv1.MediaOp{LegId: legID, Revision: 1, Op: &callv1.MediaOp_TakeOffer{}}, "ops[1].take_offer.sdp"},
		{&callv1.MediaOp{LegId: legID, Revision: 1, Op: &callv1.MediaOp_TakeAnswer{}}, "ops[1].take_answer.sdp"},
		{
			&callv1.MediaOp{LegId: legID, Revision: 1, Op: &callv1.MediaOp_MakeOffer{MakeOffer: &callv1.MakeOffer{FromLegId: "x"}}},
			"ops[1].make_offer.from_leg_id",
		},
		{
			&callv1.MediaOp{LegId: legID, Revision: 1, Op: &callv1.MediaOp_MakeAnswer{MakeAnswer: &callv1.MakeAnswer{PeerLegId: "x"}}},
			"ops[1].make_answer.peer_leg_id",
		},
		{&callv1.MediaOp{LegId: legID, Op: &callv1.MediaOp_Bridge{}}, "ops[1].bridge.peer_leg_id"},
		{&callv1.MediaOp{LegId: legID}, "ops[1].op"},
		{nil, "ops[1].leg_id"},
	} {
		m := &callv1.MediaCommand{Id: "C1", CallId: callID, Ops: []*callv1.MediaOp{{LegId: legID, Op: &callv1.MediaOp_Keep{}}, c.op}}
		check(t, m, schema.ValidateMediaCommand(m, schema.Limits{}), c.field)
	}
	wantField(t, "nil", schema.ValidateMediaCommand(nil, schema.Limits{}), "")
	wantField(t, "no ops", schema.ValidateMediaCommand(&callv1.MediaCommand{Id: "C1", CallId: callID}, schema.Limits{}), "ops")
	wantField(t, "too many ops", schema.ValidateMediaCommand(
		&callv1.MediaCommand{Id: "C1", CallId: callID, Ops: make([]*callv1.MediaOp, 65)}, schema.Limits{}), "ops")
	wantField(t, "no id", schema.ValidateMediaCommand(&callv1.MediaCommand{CallId: callID}, schema.Limits{}), "id")
}

func TestDirectoryRequests(t *testing.T) {
	authenticate := func(c *callv1.Credentials) *callv1.DirectoryRequest {
		return &callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Authenticate{
			Authenticate: &callv1.Authenticate{Credentials: c, Kind: "sylkrtc"},
		}}
	}
	ha1 := func(account, ha1 string) *callv1.DirectoryRequest {
		return authenticate(&callv1.Credentials{Proof: &callv1.Credentials_Ha1{Ha1: &callv1.HA1{Account: account, Ha1: ha1}}})
	}
	bearer := func(token, msisdn string) *callv1.DirectoryRequest {
		return authenticate(&callv1.Credentials{Proof: &callv1.Credentials_Bearer{Bearer: &callv1.Bearer{Token: token, Msisdn: msisdn}}})
	}
	resolve := func(a string) *callv1.DirectoryRequest {
		return &callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Resolve{Resolve: &callv1.Resolve{Address: a}}}
	}
	domain := func(d string) *callv1.DirectoryRequest {
		return &callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Domain{Domain: &callv1.Domain{Name: d}}}
	}
	asserted := func(address, name string) *callv1.DirectoryRequest {
		return authenticate(&callv1.Credentials{Proof: &callv1.Credentials_Asserted{
			Asserted: &callv1.Asserted{Address: address, DisplayName: name},
		}})
	}
	kind := bearer("t", "")
	kind.GetAuthenticate().Kind = "a.b"
	for _, c := range []struct {
		q     *callv1.DirectoryRequest
		field string
	}{
		{ha1("alice@demo.test", "0123456789abcdef0123456789abcdef"), "-"},
		{ha1("", ""), "-"}, // wrong, not malformed: CODE_UNAUTHENTICATED
		{bearer("demo", "+12025550103"), "-"},
		{resolve("tel:+12025550102"), "-"},
		{domain("demo.test"), "-"},
		{ha1("alice\n@demo.test", ""), "authenticate.credentials.ha1.account"},
		{ha1("", strings.Repeat("x", 8193)), "authenticate.credentials.ha1.ha1"},
		{bearer("\x00", ""), "authenticate.credentials.bearer.token"},
		{bearer("", strings.Repeat("1", 129)), "authenticate.credentials.bearer.msisdn"},
		{asserted("matrix:u/alice:example.org", "Alice"), "-"},
		{asserted("matrix:u/alice:example.org", ""), "-"},
		{asserted("", "Alice"), "authenticate.credentials.asserted.address"},
		{asserted("@alice:example.org", ""), "authenticate.credentials.asserted.address"},
		{asserted("matrix:u/alice:example.org", strings.Repeat("A", 256)), "authenticate.credentials.asserted.display_name"},
		{authenticate(nil), "authenticate.credentials"},
		{authenticate(&callv1.Credentials{}), "authenticate.credentials.proof"},
		{kind, "authenticate.kind"},
		{resolve("+12025550102"), "resolve.address"},
		{resolve(""), "resolve.address"},
		{domain("Demo.Test"), "domain.name"},
		{domain(""), "domain.name"},
		{&callv1.DirectoryRequest{}, "body"},
		{nil, ""},
	} {
		check(t, c.q, schema.ValidateDirectoryRequest(c.q, schema.Limits{}), c.field)
	}
}

func TestTerminalsAndParties(t *testing.T) {
	check(t, terminal(), schema.ValidateTerminal(terminal(), schema.Limits{}), "-")
	check(t, party(), schema.ValidateParty(party(), schema.Limits{}), "-")
	wantField(t, "nil terminal", schema.ValidateTerminal(nil, schema.Limits{}), "")
	wantField(t, "nil party", schema.ValidateParty(nil, schema.Limits{}), "")
}

// A body that is added to the schema needs a case in the validator: without one
// it would be refused as missing.
func TestEveryBodyIsKnown(t *testing.T) {
	for _, c := range []struct {
		m        proto.Message
		oneof    string
		validate func(m proto.Message) error
	}{
		{commands()["ringing"], "body", func(m proto.Message) error { return schema.ValidateCommand(m.(*callv1.Command), schema.Limits{}) }},
		{event(), "body", func(m proto.Message) error { return schema.ValidateEvent(m.(*callv1.Event), schema.Limits{}) }},
		{&callv1.Signal{LegId: legID}, "body", func(m proto.Message) error { return schema.ValidateSignal(m.(*callv1.Signal), schema.Limits{}) }},
		{&callv1.MediaOp{LegId: legID, Revision: 1}, "op", func(m proto.Message) error {
			return schema.ValidateMediaCommand(&callv1.MediaCommand{Id: "C", CallId: callID, Ops: []*callv1.MediaOp{m.(*callv1.MediaOp)}}, schema.Limits{})
		}},
		{&callv1.DirectoryRequest{}, "body", func(m proto.Message) error {
			return schema.ValidateDirectoryRequest(m.(*callv1.DirectoryRequest), schema.Limits{})
		}},
	} {
		r := c.m.ProtoReflect()
		fields := r.Descriptor().Oneofs().ByName(protoreflect.Name(c.oneof)).Fields()
		for i := range fields.Len() {
			r.Set(fields.Get(i), r.NewField(fields.Get(i)))
			var e *schema.Error
			if errors.As(c.validate(c.m), &e) && strings.HasSuffix(e.Field, c.oneof) {
				t.Errorf("%s.%s: %v", r.Descriptor().Name(), fields.Get(i).Name(), e)
			}
		}
	}
}

func check(t *testing.T, m proto.Message, err error, field string) {
	t.Helper()
	if field != "-" {
		wantField(t, "a "+string(m.ProtoReflect().Descriptor().Name()), err, field)
	} else if err != nil {
		t.Errorf("%v: %v", m, err)
	}
}

// Whatever arrives, validation does not panic, says which field is at fault, and
// what passes can be sent on.
func FuzzValidate(f *testing.F) {
	for _, c := range commands() {
		data, err := proto.Marshal(c)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, m := range []proto.Message{event(), &callv1.Signal{LegId: legID, Body: &callv1.Signal_Dtmf{Dtmf: &callv1.Dtmf{Digit: "1"}}}} {
		data, err := proto.Marshal(m)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	l := schema.DefaultLimits()
	f.Fuzz(func(t *testing.T, data []byte) {
		var (
			c = &callv1.Command{}
			e = &callv1.Event{}
			s = &callv1.Signal{}
			m = &callv1.MediaCommand{}
			q = &callv1.DirectoryRequest{}
		)
		for _, one := range []struct {
			m        proto.Message
			validate func() error
		}{
			{c, func() error { return schema.ValidateCommand(c, l) }},
			{e, func() error { return schema.ValidateEvent(e, l) }},
			{s, func() error { return schema.ValidateSignal(s, l) }},
			{m, func() error { return schema.ValidateMediaCommand(m, l) }},
			{q, func() error { return schema.ValidateDirectoryRequest(q, l) }},
		} {
			if proto.Unmarshal(data, one.m) != nil {
				continue
			}
			err := one.validate()
			if err == nil {
				if _, err := proto.Marshal(one.m); err != nil {
					t.Errorf("%v passes and cannot be sent: %v", one.m, err)
				}
				continue
			}
			e, ok := err.(*schema.Error)
			if !ok || e.Field == "" || e.Code != callv1.Code_CODE_INVALID && e.Code != callv1.Code_CODE_UNSUPPORTED {
				t.Errorf("%v: %#v", one.m, err)
			}
		}
	})
}
