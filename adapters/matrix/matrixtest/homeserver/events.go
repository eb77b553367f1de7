package homeserver

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest/callspec"
)

// Event is an event of a room.
type Event struct {
	ID       string          `json:"event_id"`
	Room     string          `json:"room_id,omitempty"`
	Sender   string          `json:"sender"`
	Type     string          `json:"type"`
	StateKey *string         `json:"state_key,omitempty"`
	Content  json.RawMessage `json:"content"`
	At       int64           `json:"origin_server_ts"`
	Unsigned map[string]any  `json:"unsigned,omitempty"`

	// session and txn are those that it was sent with.
	session, txn string
	position     int
}

// add appends an event to a room. s.mu is held.
func (s *Server) add(m *room, e *Event) *Event {
	e.ID, e.Room, e.At = s.mint("$event"), m.id, time.Now().UnixMilli()
	m.events = append(m.events, e)
	if e.StateKey != nil {
		m.state[[2]string{e.Type, *e.StateKey}] = e
	}
	s.events = append(s.events, e)
	e.position = len(s.events)
	for _, a := range s.services {
		if a.isInterested(m, e, s.name) {
			a.queue = append(a.queue, e)
		}
	}
	close(s.change)
	s.change = make(chan struct{})
	return e
}

// as gives the event as a session sees it: with the transaction if it sent it.
func (e *Event) as(token string) *Event {
	if e.txn == "" || e.session != token {
		return e
	}
	c := *e
	c.Unsigned = maps.Clone(e.Unsigned)
	if c.Unsigned == nil {
		c.Unsigned = map[string]any{}
	}
	c.Unsigned["transaction_id"] = e.txn
	return &c
}

// overhead is what signatures, hashes and links to other events add.
const overhead = 800

func (s *Server) send(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.roomFor(r)
	if err != nil {
		return nil, err
	}
	txn := r.PathValue("txn")
	key := r.token + " " + m.id + " " + r.PathValue("type") + " " + txn
	if id, again := s.sent[key]; again {
		return map[string]any{"event_id": id}, nil
	}
	e := &Event{Sender: r.user, Type: r.PathValue("type"), Content: r.body, session: r.token, txn: txn}
	if err := s.check(r, e); err != nil {
		return nil, err
	}
	if f := s.faults.limited(r); f != nil {
		return nil, f
	}
	s.add(m, e)
	s.sent[key] = e.ID
	return map[string]any{"event_id": e.ID}, nil
}

// check refuses what no homeserver takes, and notes what an application service
// should not have sent. s.mu is held.
func (s *Server) check(r *request, e *Event) error {
	var object map[string]any
	if err := json.Unmarshal(e.Content, &object); err != nil {
		return no(http.StatusBadRequest, "M_NOT_JSON", "%v", err)
	}
	b, err := json.Marshal(e)
	if err != nil {
		return err
	}
	if size := len(b) + overhead; size > callspec.MaxEvent {
		return no(http.StatusRequestEntityTooLarge, "M_TOO_LARGE", "the event has %d bytes", size)
	}
	if r.service == nil {
		return nil
	}
	if err := callspec.Check(e.Type, e.Content); err != nil {
		s.bad = append(s.bad, fmt.Errorf("%s sent %w", e.Sender, err))
	}
	return nil
}

func (s *Server) sendState(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.roomFor(r)
	if err != nil {
		return nil, err
	}
	key := r.PathValue("key")
	e := &Event{Sender: r.user, Type: r.PathValue("type"), StateKey: &key, Content: r.body}
	if err := s.check(r, e); err != nil {
		return nil, err
	}
	return map[string]any{"event_id": s.add(m, e).ID}, nil
}

func (s *Server) allState(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.roomFor(r)
	if err != nil {
		return nil, err
	}
	return slices.Collect(maps.Values(m.state)), nil
}

func (s *Server) oneState(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.roomFor(r)
	if err != nil {
		return nil, err
	}
	e := m.state[[2]string{r.PathValue("type"), r.PathValue("key")}]
	if e == nil {
		return nil, notFound("state")
	}
	return e.Content, nil
}

func (s *Server) oneEvent(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.roomFor(r)
	if err != nil {
		return nil, err
	}
	for _, e := range m.events {
		if e.ID == r.PathValue("event") {
			return e.as(r.token), nil
		}
	}
	return nil, notFound("event")
}

// messages gives a room's events, newest first with dir=b, from a position on.
func (s *Server) messages(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.roomFor(r)
	if err != nil {
		return nil, err
	}
	q := r.URL.Query()
	limit, err := strconv.Atoi(q.Get("limit"))
	if err != nil {
		limit = 10
	}
	backwards := q.Get("dir") != "f"
	from, err := strconv.Atoi(q.Get("from"))
	if err != nil && backwards {
		from = len(s.events)
	}
	chunk, end := []*Event{}, from
	all := slices.Clone(m.events)
	if backwards {
		slices.Reverse(all)
	}
	more := false
	for _, e := range all {
		switch {
		case backwards && e.position > from, !backwards && e.position <= from:
		case len(chunk) == limit:
			more = true
		default:
			chunk = append(chunk, e.as(r.token))
			if end = e.position; backwards {
				end--
			}
		}
	}
	out := map[string]any{"chunk": chunk, "start": strconv.Itoa(from)}
	if more {
		out["end"] = strconv.Itoa(end)
	}
	return out, nil
}
