package bus

import (
	"context"
	"fmt"

	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Bus is a driver seen by one identity: everything it sends carries that kind
// and node in its subject.
//
// A message that was sent, or came, is never changed: within one process sender
// and receiver may hold the same value.
type Bus struct {
	d      Driver
	kind   string
	node   string
	tracer Tracer // nil: nobody traces
}

// New makes the bus of kind/node. Both must be valid subject tokens.
func New(d Driver, kind, node string) (*Bus, error) {
	if !schema.ValidToken(kind) || !schema.ValidToken(node) {
		return nil, fmt.Errorf("bus: kind %q and node %q must be 1 to 64 of [0-9A-Za-z_-]", kind, node)
	}
	return &Bus{d: d, kind: kind, node: node}, nil
}

// Kind is the identity's kind.
func (b *Bus) Kind() string { return b.kind }

// Node is the identity's node name.
func (b *Bus) Node() string { return b.node }

// Driver gives the transport, for Records and KV.
func (b *Bus) Driver() Driver { return b.d }

// Records gives the journal.
func (b *Bus) Records() Records {
	if b.tracer != nil {
		return tracedRecords{b.d.Records(), b}
	}
	return b.d.Records()
}

// Command sends a command to the owner of its call, once, and waits for the
// reply until ctx ends. ErrNoResponders: nobody owns the partition now.
func (b *Bus) Command(ctx context.Context, c *callv1.Command) (*callv1.Reply, error) {
	if b.tracer == nil {
		return request(ctx, b, schema.CommandSubject(b.kind, b.node, c.GetCallId()), c, &callv1.Reply{})
	}
	done := b.asked(func() Span { return commandSpan(c, "callstate") })
	r, err := request(ctx, b, schema.CommandSubject(b.kind, b.node, c.GetCallId()), c, &callv1.Reply{})
	done(r.GetError(), err)
	return r, err
}

// ServeCommands serves a partition's commands. h must not block; from is what
// the subject says of the sender, callID what it says of the call.
func (b *Bus) ServeCommands(partition uint32,
	h func(from *callv1.Identity, callID string, c *callv1.Command, respond func(*callv1.Reply)),
) (Subscription, error) {
	return b.ServeCommandsLending(partition,
		func(from *callv1.Identity, callID string, c *callv1.Command, respond func(*callv1.Reply), _ Lend) {
			h(from, callID, c, respond)
		})
}

// ServeCommandsLending is ServeCommands for a handler that can have its work done
// by the requester.
func (b *Bus) ServeCommandsLending(partition uint32,
	h func(from *callv1.Identity, callID string, c *callv1.Command, respond func(*callv1.Reply), lend Lend),
) (Subscription, error) {
	return b.d.Serve(schema.CommandFilter(partition), "", func(m Msg) {
		kind, node, ok := schema.SenderOf(m.Subject)
		respond := responder[*callv1.Reply](m)
		c, readable := read(m, &callv1.Command{})
		if !readable || !ok {
			respond(&callv1.Reply{Error: &callv1.Error{Code: callv1.Code_CODE_INVALID, Message: "unreadable command"}})
			return
		}
		if b.tracer != nil {
			respond = served(b, respond, func() Span { return commandSpan(c, kind) })
		}
		h(&callv1.Identity{Kind: kind, Node: node}, schema.LastToken(m.Subject), c, respond, lendOf(m))
	})
}

// Event sends an event to the adapter node of its leg, once, and waits for the
// acknowledgement until ctx ends.
func (b *Bus) Event(ctx context.Context, kind, node string, e *callv1.Event) (*callv1.EventAck, error) {
	if b.tracer == nil {
		return request(ctx, b, schema.EventSubject(kind, node, e.GetLegId()), e, &callv1.EventAck{})
	}
	done := b.asked(func() Span { return eventSpan(e, kind) })
	r, err := request(ctx, b, schema.EventSubject(kind, node, e.GetLegId()), e, &callv1.EventAck{})
	done(r.GetError(), err)
	return r, err
}

// ServeEvents serves the events for this identity. h must not block.
func (b *Bus) ServeEvents(h func(e *callv1.Event, respond func(*callv1.EventAck))) (Subscription, error) {
	return b.ServeEventsLending(func(e *callv1.Event, respond func(*callv1.EventAck), _ Lend) { h(e, respond) })
}

// ServeEventsLending is ServeEvents for a handler that can have its work done by
// the requester.
func (b *Bus) ServeEventsLending(h func(e *callv1.Event, respond func(*callv1.EventAck), lend Lend)) (Subscription, error) {
	return b.d.Serve(schema.EventFilter(b.kind, b.node), "", func(m Msg) {
		respond := responder[*callv1.EventAck](m)
		e, readable := read(m, &callv1.Event{})
		if !readable || e.GetLegId() != schema.LastToken(m.Subject) {
			respond(&callv1.EventAck{Error: &callv1.Error{Code: callv1.Code_CODE_INVALID, Message: "unreadable event"}})
			return
		}
		if b.tracer != nil {
			respond = served(b, respond, func() Span { return eventSpan(e, "callstate") })
		}
		h(e, respond, lendOf(m))
	})
}

// Signal sends a leg's signal to its media node and does not wait.
func (b *Bus) Signal(mediaNode string, s *callv1.Signal) error {
	data, err := proto.Marshal(s)
	if err != nil {
		return fmt.Errorf("bus: signal: %w", err)
	}
	return b.d.Publish(schema.SignalSubject(mediaNode, b.kind, b.node, s.GetLegId()), data)
}

// ServeSignals serves the signals for this media node. h must not block.
func (b *Bus) ServeSignals(h func(from *callv1.Identity, s *callv1.Signal)) (Subscription, error) {
	return b.d.Serve(schema.SignalFilter(b.node), "", func(m Msg) {
		kind, node, ok := schema.SenderOf(m.Subject)
		s := &callv1.Signal{}
		if err := proto.Unmarshal(m.Data, s); err != nil || !ok || s.GetLegId() != schema.LastToken(m.Subject) {
			return
		}
		h(&callv1.Identity{Kind: kind, Node: node}, s)
	})
}

// Media sends a media command to a media node, once, and waits for the reply.
func (b *Bus) Media(ctx context.Context, mediaNode string, c *callv1.MediaCommand) (*callv1.MediaReply, error) {
	if b.tracer == nil {
		return request(ctx, b, schema.MediaSubject(mediaNode, c.GetCallId()), c, &callv1.MediaReply{})
	}
	done := b.asked(func() Span { return mediaSpan(c, "media") })
	r, err := request(ctx, b, schema.MediaSubject(mediaNode, c.GetCallId()), c, &callv1.MediaReply{})
	done(r.GetError(), err)
	return r, err
}

// ServeMedia serves the media commands for this media node. h must not block.
func (b *Bus) ServeMedia(h func(c *callv1.MediaCommand, respond func(*callv1.MediaReply))) (Subscription, error) {
	return b.d.Serve(schema.MediaFilter(b.node), "", func(m Msg) {
		respond := responder[*callv1.MediaReply](m)
		c, readable := read(m, &callv1.MediaCommand{})
		if !readable || c.GetCallId() != schema.LastToken(m.Subject) {
			respond(&callv1.MediaReply{Error: &callv1.Error{Code: callv1.Code_CODE_INVALID, Message: "unreadable media command"}})
			return
		}
		if b.tracer != nil {
			respond = served(b, respond, func() Span { return mediaSpan(c, "callstate") })
		}
		h(c, respond)
	})
}

// Ask puts a question to the directory, once, and waits for the reply. A reply
// with an error is returned as a *schema.Error.
func (b *Bus) Ask(ctx context.Context, q *callv1.DirectoryRequest) (*callv1.DirectoryReply, error) {
	if b.tracer == nil {
		return b.ask(ctx, q)
	}
	of := subjectOf(ctx)
	q.CallId, q.CommandId = of.call, of.command
	done := b.asked(func() Span { return directorySpan(q, "directory") })
	r, err := b.ask(ctx, q)
	done(nil, err)
	return r, err
}

func (b *Bus) ask(ctx context.Context, q *callv1.DirectoryRequest) (*callv1.DirectoryReply, error) {
	r, err := request(ctx, b, schema.DirectorySubject(b.kind, b.node), q, &callv1.DirectoryReply{})
	if err != nil {
		return nil, err
	}
	return r, schema.FromProto(r.GetError())
}

// Calls asks call state which answered calls a terminal's subscriber is in, once,
// and waits for the reply. A reply with an error is returned as a *schema.Error.
func (b *Bus) Calls(ctx context.Context, q *callv1.CallsRequest) (*callv1.CallsReply, error) {
	r, err := request(ctx, b, schema.CallsSubject(b.kind, b.node), q, &callv1.CallsReply{})
	if err != nil {
		return nil, err
	}
	return r, schema.FromProto(r.GetError())
}

// ServeCalls serves those questions, shared with the other call-state nodes. h
// must not block.
func (b *Bus) ServeCalls(
	h func(from *callv1.Identity, q *callv1.CallsRequest, respond func(*callv1.CallsReply)),
) (Subscription, error) {
	return b.d.Serve(schema.CallsFilter, "callstate", func(m Msg) {
		kind, node, ok := schema.SenderOf(m.Subject)
		respond := responder[*callv1.CallsReply](m)
		q, readable := read(m, &callv1.CallsRequest{})
		if !readable || !ok {
			respond(&callv1.CallsReply{Error: &callv1.Error{Code: callv1.Code_CODE_INVALID, Message: "unreadable question"}})
			return
		}
		h(&callv1.Identity{Kind: kind, Node: node}, q, respond)
	})
}

// ServeDirectory serves questions, shared with the other directory nodes. h
// must not block.
func (b *Bus) ServeDirectory(
	h func(from *callv1.Identity, q *callv1.DirectoryRequest, respond func(*callv1.DirectoryReply)),
) (Subscription, error) {
	return b.d.Serve(schema.DirectoryFilter, "directory", func(m Msg) {
		kind, node, ok := schema.SenderOf(m.Subject)
		respond := responder[*callv1.DirectoryReply](m)
		q, readable := read(m, &callv1.DirectoryRequest{})
		if !readable || !ok {
			respond(&callv1.DirectoryReply{Error: &callv1.Error{Code: callv1.Code_CODE_INVALID, Message: "unreadable question"}})
			return
		}
		if b.tracer != nil {
			respond = served(b, respond, func() Span { return directorySpan(q, kind) })
		}
		h(&callv1.Identity{Kind: kind, Node: node}, q, respond)
	})
}

// request asks and gives the answer: r, or, from a server in the same process,
// its own value.
func request[R proto.Message](ctx context.Context, b *Bus, subject string, q proto.Message, r R) (R, error) {
	if d, ok := b.d.(Shortcut); ok {
		answer, served, err := d.RequestValue(ctx, subject, q)
		if err != nil {
			return r, fmt.Errorf("bus: %s: %w", subject, err)
		}
		if direct, ok := answer.(R); served && ok {
			return direct, nil
		}
	}
	data, err := proto.Marshal(q)
	if err != nil {
		return r, fmt.Errorf("bus: %s: %w", subject, err)
	}
	answer, err := b.d.Request(ctx, subject, data)
	if err != nil {
		return r, fmt.Errorf("bus: %s: %w", subject, err)
	}
	if err := proto.Unmarshal(answer, r); err != nil {
		return r, fmt.Errorf("bus: answer on %s: %w", subject, err)
	}
	return r, nil
}

// read gives a message's content, and whether it could be read.
func read[Q proto.Message](m Msg, q Q) (Q, bool) {
	if direct, ok := m.Value.(Q); ok {
		return direct, true
	}
	return q, m.Value == nil && proto.Unmarshal(m.Data, q) == nil
}

func responder[R proto.Message](m Msg) func(R) {
	if m.RespondValue != nil {
		return func(r R) { m.RespondValue(r) }
	}
	return func(r R) {
		data, err := proto.Marshal(r)
		if err != nil { // only invalid UTF-8 can do this; the asker times out
			return
		}
		m.Respond(data)
	}
}
