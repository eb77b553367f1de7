package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/ladder"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// minPrefix is the shortest beginning of an id that is looked for.
const minPrefix = 4

// maxListed bounds one listing.
const maxListed = 10_000

// Call is one call in a listing.
type Call struct {
	ID       string     `json:"id"`
	State    string     `json:"state"`
	Caller   string     `json:"caller"`
	Callee   string     `json:"callee"`
	Dialled  string     `json:"dialled"`
	Created  time.Time  `json:"created"`
	Answered *time.Time `json:"answered,omitempty"`
	Ended    *time.Time `json:"ended,omitempty"`
	Reason   string     `json:"reason,omitempty"`
	// Kinds are the protocols of the legs, the caller's first.
	Kinds []string `json:"kinds"`
}

// Calls is a listing, oldest call first.
type Calls struct {
	// At is when it was made, by the clock of the process that was asked.
	At    time.Time `json:"at"`
	Calls []Call    `json:"calls"`
	// More says that there are calls that did not fit.
	More bool `json:"more,omitempty"`
}

// Live reports whether a call still goes on.
func Live(c *callv1.CallRecord) bool {
	return c.GetState() != callv1.CallState_CALL_STATE_ENDED && c.GetState() != callv1.CallState_CALL_STATE_REDIRECTED
}

// overAt is when a call ended. One that became part of another did so at its
// beginning.
func overAt(c *callv1.CallRecord) time.Time {
	if t := c.GetEndedAt(); t != nil {
		return t.AsTime()
	}
	return c.GetCreatedAt().AsTime()
}

func (s *Server) journal() (bus.Records, error) {
	if r := s.records.Load(); r != nil {
		return *r, nil
	}
	return nil, schema.Errorf(callv1.Code_CODE_RETRY, "the bus is not there yet")
}

// scan calls f for every call record until it returns false.
func (s *Server) scan(ctx context.Context, f func(*callv1.CallRecord) bool) error {
	records, err := s.journal()
	if err != nil {
		return err
	}
	err = records.Scan(ctx, schema.AllRecordsFilter, func(r bus.Record) bool {
		c := &callv1.CallRecord{}
		if len(r.Data) == 0 || proto.Unmarshal(r.Data, c) != nil {
			return true // a tombstone, or a version that we cannot read
		}
		return f(c)
	})
	if err != nil {
		return schema.Errorf(callv1.Code_CODE_RETRY, "reading the records: %w", err)
	}
	return nil
}

// listCalls answers GET /api/calls: live calls, with ?all=true ended ones too, with
// ?ended_since=2026-01-02T15:04:05Z those that have ended since then.
func (s *Server) listCalls(w http.ResponseWriter, r *http.Request) error {
	query := r.URL.Query()
	out := Calls{At: time.Now(), Calls: []Call{}}
	all, since := query.Get("all") == "true", out.At
	if text := query.Get("ended_since"); text != "" {
		var err error
		if since, err = time.Parse(time.RFC3339Nano, text); err != nil {
			return schema.Errorf(callv1.Code_CODE_INVALID, "ended_since: %q is not a time as of RFC 3339", text)
		}
	}
	err := s.scan(r.Context(), func(c *callv1.CallRecord) bool {
		if !all && !Live(c) && overAt(c).Before(since) {
			return true
		}
		if len(out.Calls) == maxListed {
			out.More = true
			return false
		}
		out.Calls = append(out.Calls, summary(c))
		return true
	})
	if err != nil {
		return err
	}
	slices.SortFunc(out.Calls, func(a, b Call) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	reply(w, http.StatusOK, out)
	return nil
}

func summary(c *callv1.CallRecord) Call {
	out := Call{
		ID: c.GetId(), State: ladder.State(c), Caller: ladder.Name(c.GetCaller()), Callee: ladder.Name(c.GetCallee()),
		Dialled: c.GetDialled(), Created: c.GetCreatedAt().AsTime(), Kinds: []string{},
	}
	if t := c.GetAnsweredAt(); t != nil {
		at := t.AsTime()
		out.Answered = &at
	}
	if t := c.GetEndedAt(); t != nil {
		at := t.AsTime()
		out.Ended = &at
		out.Reason = schema.DescribeReason(c.GetReason()).Name
	}
	for _, l := range c.GetLegs() {
		if kind := l.GetTerminal().GetKind(); !slices.Contains(out.Kinds, kind) {
			out.Kinds = append(out.Kinds, kind)
		}
	}
	return out
}

// showCall answers GET /api/calls/{id} with the call's record. The id may be
// the call's or a leg's, in either form of a UUID, the beginning of one, or
// what a terminal calls it.
func (s *Server) showCall(w http.ResponseWriter, r *http.Request) error {
	c, err := s.find(r.Context(), r.PathValue("id"))
	if err != nil {
		return err
	}
	data, err := protojson.Marshal(public(c))
	if err != nil {
		return schema.Errorf(callv1.Code_CODE_INTERNAL, "call record: %w", err)
	}
	reply(w, http.StatusOK, json.RawMessage(data))
	return nil
}

func (s *Server) find(ctx context.Context, id string) (*callv1.CallRecord, error) {
	if c, err := s.load(ctx, id); err != nil || c != nil {
		return c, err
	}
	var found []*callv1.CallRecord
	best := noMatch
	err := s.scan(ctx, func(c *callv1.CallRecord) bool {
		switch m := matches(c, id); {
		case m == noMatch || m < best:
		case m > best:
			best, found = m, []*callv1.CallRecord{c}
		default:
			found = append(found, c)
		}
		return true
	})
	switch {
	case err != nil:
		return nil, err
	case len(found) == 0:
		return nil, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no call has the id %q (ended calls are kept for callstate.record_ttl)", id)
	case len(found) == 1:
		return found[0], nil
	}
	// A terminal may use a reference again: its latest call is meant.
	if best == byReference {
		return slices.MaxFunc(found, func(a, b *callv1.CallRecord) int {
			return a.GetCreatedAt().AsTime().Compare(b.GetCreatedAt().AsTime())
		}), nil
	}
	ids := make([]string, 0, len(found))
	for _, c := range found[:min(len(found), 8)] {
		ids = append(ids, c.GetId())
	}
	return nil, schema.Errorf(callv1.Code_CODE_CONFLICT, "%q is the beginning of %d calls: %s", id, len(found), strings.Join(ids, ", "))
}

// load reads the record that a whole call id, or an id of one of its legs,
// names; nil if there is none.
func (s *Server) load(ctx context.Context, id string) (*callv1.CallRecord, error) {
	uuid, ok := schema.CanonicalUUID(strings.ToLower(id))
	if !ok {
		return nil, nil
	}
	callID, ordinal, ok := schema.SplitLegID(uuid)
	if !ok {
		return nil, nil
	}
	records, err := s.journal()
	if err != nil {
		return nil, err
	}
	r, err := records.Load(ctx, schema.RecordOf(callID))
	c := &callv1.CallRecord{}
	switch {
	case errors.Is(err, bus.ErrNotFound):
		return nil, nil
	case err != nil:
		return nil, schema.Errorf(callv1.Code_CODE_RETRY, "reading the record: %w", err)
	case len(r.Data) == 0 || proto.Unmarshal(r.Data, c) != nil:
		return nil, nil
	}
	if ordinal != 0 && c.GetState() == callv1.CallState_CALL_STATE_REDIRECTED {
		return nil, nil // the leg went over to another call: look for it there
	}
	return c, nil
}

// How well a call matches, the best last.
const (
	noMatch = iota
	byPrefix
	byReference
	byLeg
	byCall
)

// matches says how well what somebody typed names a call.
func matches(c *callv1.CallRecord, id string) int {
	uuid, whole := schema.CanonicalUUID(strings.ToLower(id))
	if whole && c.GetId() == uuid {
		return byCall
	}
	best := noMatch
	for _, l := range c.GetLegs() {
		switch {
		case whole && l.GetId() == uuid && c.GetState() != callv1.CallState_CALL_STATE_REDIRECTED:
			return byLeg
		case l.GetRef() == id:
			best = max(best, byReference)
		}
	}
	prefix := strings.ReplaceAll(strings.ToLower(id), "-", "")
	if len(prefix) >= minPrefix && strings.HasPrefix(schema.CompactUUID(c.GetId()), prefix) {
		best = max(best, byPrefix)
	}
	return best
}

// public gives a record without session descriptions, terminals' headers and
// what only its owner needs.
func public(c *callv1.CallRecord) *callv1.CallRecord {
	out := &callv1.CallRecord{
		Id: c.GetId(), State: c.GetState(), Version: c.GetVersion(), Caller: c.GetCaller(), Callee: c.GetCallee(),
		Dialled: c.GetDialled(), MediaNode: c.GetMediaNode(), Ladder: c.GetLadder(), LadderDropped: c.GetLadderDropped(),
		Reason: c.GetReason(), RedirectCallId: c.GetRedirectCallId(), HandedOverFrom: c.GetHandedOverFrom(),
		CreatedAt: c.GetCreatedAt(), AnsweredAt: c.GetAnsweredAt(), EstablishedAt: c.GetEstablishedAt(), EndedAt: c.GetEndedAt(),
	}
	for _, l := range c.GetLegs() {
		out.Legs = append(out.Legs, &callv1.Leg{
			Id: l.GetId(), Ordinal: l.GetOrdinal(), Side: l.GetSide(), State: l.GetState(), Terminal: l.GetTerminal(),
			Ref: l.GetRef(), MediaConnected: l.GetMediaConnected(), Lost: l.GetLost(), Alerted: l.GetAlerted(),
			Reason: l.GetReason(), CreatedAt: l.GetCreatedAt(), EndedAt: l.GetEndedAt(),
		})
	}
	return out
}
