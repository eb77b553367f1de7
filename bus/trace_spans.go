package bus

import (
	"context"
	"strconv"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func commandSpan(c *callv1.Command, peer string) Span {
	return Span{Part: PartCommand, Name: body(c, "body"), Call: c.GetCallId(), Leg: c.GetLegId(), ID: c.GetId(), Peer: peer}
}

func eventSpan(e *callv1.Event, peer string) Span {
	return Span{
		Part: PartEvent, Name: body(e, "body"), Call: e.GetCallId(), Leg: e.GetLegId(), Peer: peer,
		ID: e.GetLegId() + " " + strconv.FormatUint(e.GetNumber(), 10) + " " + e.GetTerminalId(),
	}
}

// mediaSpan: a media command is named after the command that caused it, with a
// suffix where one causes several.
func mediaSpan(c *callv1.MediaCommand, peer string) Span {
	names := make([]string, 0, len(c.GetOps()))
	id := c.GetId()
	for _, op := range c.GetOps() {
		name := body(op, "op")
		names = append(names, name)
		id += " " + op.GetLegId() + " " + name
	}
	cause, _, _ := strings.Cut(c.GetId(), "/")
	return Span{
		Part: PartMedia, Name: strings.Join(names, ","), Call: c.GetCallId(), ID: id,
		Command: strings.TrimRight(cause, "'"), Peer: peer,
	}
}

func directorySpan(q *callv1.DirectoryRequest, peer string) Span {
	name := body(q, "body")
	return Span{
		Part: PartDirectory, Name: name, Call: q.GetCallId(), ID: q.GetCommandId() + " " + name, Command: q.GetCommandId(), Peer: peer,
	}
}

// tracedRecords tells of commits.
type tracedRecords struct {
	Records
	b *Bus
}

// Commit implements Records.
func (r tracedRecords) Commit(ctx context.Context, writes ...Write) ([]uint64, error) {
	of := subjectOf(ctx)
	done := r.b.asked(func() Span {
		s := Span{Part: PartJournal, Name: "commit", Call: of.call, Command: of.command}
		if s.Call == "" && len(writes) > 0 {
			s.Call = schema.CallOfRecord(writes[0].Subject)
		}
		return s
	})
	seqs, err := r.Records.Commit(ctx, writes...)
	done(nil, err)
	return seqs, err
}
