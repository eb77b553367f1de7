package schema_test

import (
	"errors"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

const (
	callID = "0192d3a4-5b6c-8d7e-9f80-123456780000"
	legID  = "0192d3a4-5b6c-8d7e-9f80-123456780001"
	leg2ID = "0192d3a4-5b6c-8d7e-9f80-123456780002"
)

func terminal() *callv1.Terminal {
	return &callv1.Terminal{Id: "T1", Kind: "sylkrtc", Node: "n1", Instance: "I1", Subscriber: "alice", Rings: true}
}

func party() *callv1.Party {
	return &callv1.Party{
		Subscriber: "alice", Addresses: []string{"sip:alice@demo.test", "tel:+12025550101"}, DisplayName: "Alice Ü.",
	}
}

func offer() *callv1.Offer {
	return &callv1.Offer{
		To: "tel:+12025550102", Sdp: "v=0\r\n", Terminal: terminal(), Ref: "s1", Caller: party(),
		Headers: []*callv1.Header{{Name: "x-note", Value: "hello\u00a0there"}},
	}
}

// commands are one good command of each body.
func commands() map[string]*callv1.Command {
	leg := func(c *callv1.Command) *callv1.Command {
		c.Id, c.CallId, c.LegId, c.Principal, c.SentAt = "C1", callID, legID, "alice", timestamppb.Now()
		return c
	}
	call := func(c *callv1.Command) *callv1.Command {
		c = leg(c)
		c.LegId = ""
		return c
	}
	return map[string]*callv1.Command{
		"offer":             leg(&callv1.Command{Body: &callv1.Command_Offer{Offer: offer()}}),
		"offer without leg": call(&callv1.Command{Body: &callv1.Command_Offer{Offer: offer()}}),
		"ringing":           leg(&callv1.Command{Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}}),
		"answer":            leg(&callv1.Command{Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: "v=0\r\n"}}}),
		"hang_up": leg(&callv1.Command{Body: &callv1.Command_HangUp{
			HangUp: &callv1.HangUp{Reason: callv1.Reason_REASON_BUSY},
		}}),
		"leg_failed": leg(&callv1.Command{Body: &callv1.Command_LegFailed{
			LegFailed: &callv1.LegFailed{Reason: callv1.Reason_REASON_TERMINAL_LOST, Detail: "read: EOF\n"},
		}}),
		"media_connected": leg(&callv1.Command{Body: &callv1.Command_MediaConnected{
			MediaConnected: &callv1.MediaConnected{Revision: 1},
		}}),
		"media_failed": leg(&callv1.Command{Body: &callv1.Command_MediaFailed{
			MediaFailed: &callv1.MediaFailed{Revision: 1, Detail: "ICE failed"},
		}}),
		"hand_over": call(&callv1.Command{Body: &callv1.Command_HandOver{
			HandOver: &callv1.HandOver{FromCallId: callID, Offer: offer(), NextEvent: 1, MediaRevision: 1},
		}}),
		"terminal_attached": call(&callv1.Command{Body: &callv1.Command_TerminalAttached{
			TerminalAttached: &callv1.TerminalAttached{Terminal: terminal()},
		}}),
		"pull": {
			Id: "c1", CallId: callID, LegId: schema.LegID(callID, schema.FirstPulled), Principal: "alice",
			Body: &callv1.Command_Pull{Pull: &callv1.Pull{Sdp: "v=0\r\n", Terminal: terminal(), Ref: callID}},
		},
		"reoffer":        leg(&callv1.Command{Body: &callv1.Command_Reoffer{Reoffer: &callv1.Reoffer{Sdp: "v=0\r\n"}}}),
		"push":           leg(&callv1.Command{Body: &callv1.Command_Push{Push: &callv1.Push{}}}),
		"refuse_reoffer": leg(&callv1.Command{Body: &callv1.Command_RefuseReoffer{RefuseReoffer: &callv1.RefuseReoffer{}}}),
		"deadline_passed": call(&callv1.Command{Body: &callv1.Command_DeadlinePassed{
			DeadlinePassed: &callv1.DeadlinePassed{Kind: callv1.DeadlineKind_DEADLINE_KIND_LOST, LegId: legID},
		}}),
	}
}

func TestGoodCommandsPass(t *testing.T) {
	seen := map[string]bool{}
	for name, c := range commands() {
		if err := schema.ValidateCommand(c, schema.Limits{}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		r := c.ProtoReflect()
		seen[string(r.WhichOneof(r.Descriptor().Oneofs().ByName("body")).Name())] = true
	}
	// A body that is added to the schema needs a case in the validator.
	bodies := (&callv1.Command{}).ProtoReflect().Descriptor().Oneofs().ByName("body").Fields()
	for i := range bodies.Len() {
		if name := string(bodies.Get(i).Name()); !seen[name] {
			t.Errorf("no test of the command body %q", name)
		}
	}
}

// A header's name passes as its sender spells it, and the same way to the other
// side.
func TestHeaderNamesKeepTheirSpelling(t *testing.T) {
	for _, name := range []string{"X-Note", "x-note", "X-NOTE", "Ünot", "X Note", "x:y"} {
		good := !strings.ContainsAny(name, "Ü :")
		c := commands()["offer"]
		c.GetOffer().Headers[0].Name = name
		if err := schema.ValidateCommand(c, schema.Limits{}); (err == nil) != good {
			t.Errorf("%q in a command: %v", name, err)
		}
		if got := c.GetOffer().GetHeaders()[0].GetName(); got != name {
			t.Errorf("%q became %q", name, got)
		}
	}
}

// Every fault is reported with the path of its field.
func TestFaultyCommands(t *testing.T) {
	long := func(n int) string { return strings.Repeat("x", n) }
	for _, c := range []struct {
		body  string
		spoil func(c *callv1.Command)
		field string
	}{
		{"ringing", func(c *callv1.Command) { c.Id = "" }, "id"},
		{"ringing", func(c *callv1.Command) { c.Id = long(129) }, "id"},
		{"ringing", func(c *callv1.Command) { c.Id = "a b" }, "id"},
		{"ringing", func(c *callv1.Command) { c.CallId = "" }, "call_id"},
		{"ringing", func(c *callv1.Command) { c.CallId = strings.ToUpper(callID) }, "call_id"},
		{"ringing", func(c *callv1.Command) { c.CallId = schema.CompactUUID(callID) }, "call_id"},
		{"ringing", func(c *callv1.Command) { c.CallId = callID[:35] + ">" }, "call_id"},
		{"ringing", func(c *callv1.Command) { c.CallId = strings.ReplaceAll(callID, "-", "0") }, "call_id"},
		{"ringing", func(c *callv1.Command) { c.CallId = legID }, "call_id"},
		{"ringing", func(c *callv1.Command) { c.LegId = callID }, "leg_id"},
		{"ringing", func(c *callv1.Command) { c.LegId = "*" }, "leg_id"},
		{"ringing", func(c *callv1.Command) { c.LegId = "" }, "leg_id"},
		{"answer", func(c *callv1.Command) { c.LegId = "" }, "leg_id"},
		{"hang_up", func(c *callv1.Command) { c.LegId = "" }, "leg_id"},
		{"leg_failed", func(c *callv1.Command) { c.LegId = "" }, "leg_id"},
		{"media_connected", func(c *callv1.Command) { c.LegId = "" }, "leg_id"},
		{"media_failed", func(c *callv1.Command) { c.LegId = "" }, "leg_id"},
		{"offer", func(c *callv1.Command) { c.LegId = leg2ID }, "leg_id"},
		{"ringing", func(c *callv1.Command) { c.Principal = long(129) }, "principal"},
		{"ringing", func(c *callv1.Command) { c.Principal = "al\xffice" }, "principal"},
		{"ringing", func(c *callv1.Command) { c.Principal = "al\nice" }, "principal"},
		{"ringing", func(c *callv1.Command) { c.SentAt = &timestamppb.Timestamp{Nanos: -1} }, "sent_at"},
		{"ringing", func(c *callv1.Command) { c.Body = nil }, "body"},

		{"offer", func(c *callv1.Command) { c.GetOffer().To = "" }, "offer.to"},
		{"offer", func(c *callv1.Command) { c.GetOffer().To = "bob@demo.test" }, "offer.to"},
		{"offer", func(c *callv1.Command) { c.GetOffer().To = "sip:bob@Demo.Test" }, "offer.to"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Sdp = "" }, "offer.sdp"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Sdp = long(64<<10 + 1) }, "offer.sdp"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Sdp = "v=0\r\n\x00" }, "offer.sdp"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Sdp = "v=0\r\n\xff" }, "offer.sdp"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Terminal = nil }, "offer.terminal"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Terminal.Id = "" }, "offer.terminal.id"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Terminal.Kind = "a.b" }, "offer.terminal.kind"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Terminal.Node = ">" }, "offer.terminal.node"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Terminal.Instance = long(65) }, "offer.terminal.instance"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Terminal.Subscriber = "\r" }, "offer.terminal.subscriber"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Ref = long(256) }, "offer.ref"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Ref = "a\r\nb" }, "offer.ref"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Caller = nil }, "offer.caller"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Caller.Addresses = nil }, "offer.caller.addresses"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Caller.Addresses = make([]string, 33) }, "offer.caller.addresses"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Caller.Addresses[1] = "12" }, "offer.caller.addresses[1]"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Caller.DisplayName = "A\u0085B" }, "offer.caller.display_name"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Caller.DisplayName = long(256) }, "offer.caller.display_name"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Headers = make([]*callv1.Header, 33) }, "offer.headers"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Headers = make([]*callv1.Header, 1) }, "offer.headers[0].name"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Headers[0].Name = "X Note" }, "offer.headers[0].name"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Headers[0].Name = "x:note" }, "offer.headers[0].name"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Headers[0].Name = long(65) }, "offer.headers[0].name"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Headers[0].Value = "a\r\nx: b" }, "offer.headers[0].value"},
		{"offer", func(c *callv1.Command) { c.GetOffer().Headers[0].Value = long(4097) }, "offer.headers[0].value"},
		{"offer", func(c *callv1.Command) {
			for range 8 {
				c.GetOffer().Headers = append(c.GetOffer().Headers, &callv1.Header{Name: "x", Value: long(4096)})
			}
		}, "offer.headers"},
		{"offer", func(c *callv1.Command) { c.Body = &callv1.Command_Offer{} }, "offer.to"},

		{"answer", func(c *callv1.Command) { c.GetAnswer().Sdp = "v=0\x00" }, "answer.sdp"},
		{"ringing", func(c *callv1.Command) { c.GetRinging().Sdp = "v=0\x00" }, "ringing.sdp"},
		{"pull", func(c *callv1.Command) { c.LegId = legID }, "leg_id"},
		{"pull", func(c *callv1.Command) { c.LegId = "" }, "leg_id"},
		{"pull", func(c *callv1.Command) { c.GetPull().Sdp = "" }, "pull.sdp"},
		{"pull", func(c *callv1.Command) { c.GetPull().Terminal = nil }, "pull.terminal"},
		{"reoffer", func(c *callv1.Command) { c.LegId = "" }, "leg_id"},
		{"reoffer", func(c *callv1.Command) { c.GetReoffer().Sdp = "" }, "reoffer.sdp"},
		{"push", func(c *callv1.Command) { c.LegId = "" }, "leg_id"},
		{"answer", func(c *callv1.Command) { c.GetAnswer().Headers = make([]*callv1.Header, 2) }, "answer.headers[0].name"},
		{"hang_up", func(c *callv1.Command) { c.GetHangUp().Reason = 99 }, "hang_up.reason"},
		{"leg_failed", func(c *callv1.Command) { c.GetLegFailed().Reason = -1 }, "leg_failed.reason"},
		{"leg_failed", func(c *callv1.Command) { c.GetLegFailed().Detail = long(1025) }, "leg_failed.detail"},
		{"media_connected", func(c *callv1.Command) { c.GetMediaConnected().Revision = 0 }, "media_connected.revision"},
		{"media_failed", func(c *callv1.Command) { c.GetMediaFailed().Revision = 0 }, "media_failed.revision"},
		{"media_failed", func(c *callv1.Command) { c.GetMediaFailed().Detail = "\xff" }, "media_failed.detail"},
		{"hand_over", func(c *callv1.Command) { c.GetHandOver().FromCallId = "x" }, "hand_over.from_call_id"},
		{"hand_over", func(c *callv1.Command) { c.GetHandOver().Offer = nil }, "hand_over.offer.to"},
		{"hand_over", func(c *callv1.Command) { c.GetHandOver().Offer.Sdp = "" }, "hand_over.offer.sdp"},
		{"hand_over", func(c *callv1.Command) { c.GetHandOver().NextEvent = 0 }, "hand_over.next_event"},
		{"hand_over", func(c *callv1.Command) { c.GetHandOver().MediaRevision = 0 }, "hand_over.media_revision"},
		{"terminal_attached", func(c *callv1.Command) { c.GetTerminalAttached().Terminal = nil }, "terminal_attached.terminal"},
		{"terminal_attached", func(c *callv1.Command) { c.GetTerminalAttached().Terminal.Node = "" }, "terminal_attached.terminal.node"},
		{"deadline_passed", func(c *callv1.Command) { c.GetDeadlinePassed().Kind = 0 }, "deadline_passed.kind"},
		{"deadline_passed", func(c *callv1.Command) { c.GetDeadlinePassed().Kind = 77 }, "deadline_passed.kind"},
		{"deadline_passed", func(c *callv1.Command) { c.GetDeadlinePassed().LegId = callID }, "deadline_passed.leg_id"},
	} {
		cmd := commands()[c.body]
		c.spoil(cmd)
		wantField(t, c.body, schema.ValidateCommand(cmd, schema.Limits{}), c.field)
	}
	wantField(t, "nil", schema.ValidateCommand(nil, schema.Limits{}), "")
}

func TestLimitsCanBeSet(t *testing.T) {
	c := commands()["answer"]
	c.GetAnswer().Sdp = strings.Repeat("x", 100)
	wantField(t, "tighter", schema.ValidateCommand(c, schema.Limits{SDP: 99}), "answer.sdp")
	if err := schema.ValidateCommand(c, schema.Limits{SDP: 100}); err != nil {
		t.Error(err)
	}
	if l := schema.DefaultLimits(); l.SDP != 64<<10 || l.Candidates != 64 {
		t.Errorf("defaults are %+v", l)
	}
}

// A body of a newer version is not malformed, it is unknown.
func TestUnknownBodyIsUnsupported(t *testing.T) {
	c := commands()["ringing"]
	c.Body = nil
	data, err := proto.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	newer := &callv1.Command{}
	if err := proto.Unmarshal(append(data, 0xfa, 0x3f, 0), newer); err != nil { // field 1023, empty
		t.Fatal(err)
	}
	if err := schema.ValidateCommand(newer, schema.Limits{}); schema.CodeOf(err) != callv1.Code_CODE_UNSUPPORTED {
		t.Errorf("got %v, want CODE_UNSUPPORTED", err)
	}
}

func wantField(t *testing.T, what string, err error, field string) {
	t.Helper()
	var e *schema.Error
	if !errors.As(err, &e) || e.Code != callv1.Code_CODE_INVALID || e.Field != field {
		t.Errorf("%s: got %v, want CODE_INVALID for %q", what, err, field)
	}
}

// Validation runs for every command: it must stay cheap.
func TestValidationDoesNotAllocate(t *testing.T) {
	for name, c := range commands() {
		allocs := testing.AllocsPerRun(100, func() { _ = schema.ValidateCommand(c, schema.Limits{}) })
		limit := 0.0
		if strings.HasPrefix(name, "offer") || name == "hand_over" { // three addresses
			limit = 12
		}
		if allocs > limit {
			t.Errorf("%s: %v allocations, want at most %v", name, allocs, limit)
		}
	}
}

func BenchmarkValidateCommand(b *testing.B) {
	for _, name := range []string{"offer", "answer", "hang_up"} {
		c := commands()[name]
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := schema.ValidateCommand(c, schema.Limits{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
