package crash_test

import (
	"context"
	"log/slog"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe"
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc"
	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/faultbus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/tests/internal/line"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
)

// wg2Adapter is the child: the WG2 adapter.
func wg2Adapter(ctx context.Context, ready func()) error {
	cfg := grpcpipe.Defaults()
	cfg.Listen = os.Getenv(envAddr)
	return adapter(ctx, grpcpipe.Spec(), cfg, ready)
}

// sylkAdapter is the child: the sylkRTC adapter.
func sylkAdapter(ctx context.Context, ready func()) error {
	cfg := sylkrtc.Defaults()
	cfg.Listen = os.Getenv(envAddr)
	return adapter(ctx, sylkrtc.Spec(), cfg, ready)
}

// adapter runs one that may die between the commit of an event and its delivery.
func adapter(ctx context.Context, spec kit.Spec, cfg kit.Config, ready func()) error {
	b, err := connect(ctx, spec.Kind, func(point func(string)) faultbus.Hooks {
		return faultbus.Hooks{BeforeHandle: func(op faultbus.Op) error {
			if strings.HasPrefix(op.Subject, "call.v1.ev.") {
				point("between commit and delivery")
			}
			return nil
		}}
	})
	if err != nil {
		return err
	}
	return kit.Run(ctx, spec, cfg, kit.Env{
		Bus: b, Terminals: bus.NewTerminals(b), Nodes: bus.NewNodes(b, time.Second, 5*time.Second),
		Key: line.Key(), Log: slog.New(slog.DiscardHandler),
	}, ready)
}

// freeAddr is where the adapter listens, before and after its death.
func freeAddr(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}

// TestAdapterOfTheCalledKilled: the adapter of the called terminal is killed at
// each event in turn. The terminal reconnects; the call can be answered and is
// hung up normally.
func TestAdapterOfTheCalledKilled(t *testing.T) {
	steps := everyPoint(t, func(t *testing.T, point int) string {
		server := natstest.External(t)
		x := line.Start(t, server, line.Options{})
		caller := x.AttachOne("caller", 0)
		addr := freeAddr(t)
		c := start(t, "grpcpipe", server.Config().URL, point, envAddr+"="+addr)
		terminal := dial(t, addr, "called", 0)

		placed := make(chan *callv1.Reply, 1)
		go func() { placed <- x.Accept(caller.GetSubscriber(), "", line.Offer(0, caller)) }()
		// The terminal answers what it is offered; an offer whose stream broke
		// before the answer comes again, under another id.
		terminal.answering(func(m *wgtwo.WebTerminalMessage) {
			terminal.say(&wgtwo.WebTerminalMessage{CallId: m.GetCallId(), Message: &wgtwo.WebTerminalMessage_Ringing{Ringing: &wgtwo.Ringing{}}})
			terminal.say(&wgtwo.WebTerminalMessage{CallId: m.GetCallId(), Message: &wgtwo.WebTerminalMessage_Answer{Answer: &wgtwo.Answer{Sdp: line.SDP()}}})
		})
		next(t, x.Calling[0], "alerting")
		next(t, x.Calling[0], "answered")
		next(t, x.Calling[0], "established")
		x.Accept(caller.GetSubscriber(), (<-placed).GetLegId(), &callv1.Command{Body: &callv1.Command_HangUp{HangUp: &callv1.HangUp{}}})
		terminal.wait("Bye", func(m *wgtwo.WebTerminalMessage) bool { return m.GetBye() != nil })
		terminal.noneTwice()
		return c.where()
	})
	if steps < 2 {
		t.Errorf("only %d steps", steps)
	}
}

// TestAdapterOfTheCallerKilled: the same for the calling terminal, which hangs
// up by its own id on whatever stream it has then.
func TestAdapterOfTheCallerKilled(t *testing.T) {
	steps := everyPoint(t, func(t *testing.T, point int) string {
		server := natstest.External(t)
		x := line.Start(t, server, line.Options{})
		x.AttachOne("called", 0)
		addr := freeAddr(t)
		c := start(t, "grpcpipe", server.Config().URL, point, envAddr+"="+addr)
		terminal := dial(t, addr, "caller", 0)

		const id = "5a6a9c34-1d2b-4f6f-9d9e-0a1b2c3d4e5f"
		terminal.say(offer(id, strings.TrimPrefix(line.Number("called", 0), "tel:")))
		in := next(t, x.Called[0], "incoming")
		x.Accept(in.GetSubscriber(), in.GetLegId(), &callv1.Command{Body: &callv1.Command_Ringing{Ringing: &callv1.Ringing{}}})
		terminal.wait("Ringing", func(m *wgtwo.WebTerminalMessage) bool { return m.GetRinging() != nil && m.GetCallId() == id })
		x.Accept(in.GetSubscriber(), in.GetLegId(), &callv1.Command{Body: &callv1.Command_Answer{Answer: &callv1.Answer{Sdp: line.SDP()}}})
		terminal.wait("Answer", func(m *wgtwo.WebTerminalMessage) bool { return m.GetAnswer() != nil && m.GetCallId() == id })
		next(t, x.Called[0], "established")
		terminal.insist(&wgtwo.WebTerminalMessage{CallId: id, Message: &wgtwo.WebTerminalMessage_Bye{Bye: &wgtwo.Bye{}}})
		next(t, x.Called[0], "ended")
		terminal.noneTwice()
		return c.where()
	})
	// Alerting and answered. That the call is established has no word at this
	// terminal: the call may be over before the adapter hears of it.
	if steps < 2 {
		t.Errorf("only %d steps", steps)
	}
}
