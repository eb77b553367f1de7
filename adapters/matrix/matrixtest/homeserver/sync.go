package homeserver

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// filter is what of a filter is respected.
type filter struct {
	Room struct {
		Timeline struct {
			Limit int `json:"limit"`
		} `json:"timeline"`
	} `json:"room"`
}

func (s *Server) makeFilter(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.filters = append(s.filters, r.body)
	return map[string]any{"filter_id": strconv.Itoa(len(s.filters) - 1)}, nil
}

// limitOf reads how long a timeline may be.
func (s *Server) limitOf(r *request) (int, error) {
	text := r.URL.Query().Get("filter")
	body := json.RawMessage(text)
	if n, err := strconv.Atoi(text); err == nil && n >= 0 && n < len(s.filters) {
		body = s.filters[n]
	}
	f := filter{}
	if len(body) > 0 {
		if err := json.Unmarshal(body, &f); err != nil {
			return 0, err
		}
	}
	if f.Room.Timeline.Limit <= 0 {
		f.Room.Timeline.Limit = 20
	}
	return f.Room.Timeline.Limit, nil
}

type timeline struct {
	Events  []*Event `json:"events"`
	Limited bool     `json:"limited"`
	Prev    string   `json:"prev_batch"`
}

type joined struct {
	State struct {
		Events []*Event `json:"events"`
	} `json:"state"`
	Timeline timeline `json:"timeline"`
}

type invited struct {
	State struct {
		Events []*Event `json:"events"`
	} `json:"invite_state"`
}

type synced struct {
	Next  string `json:"next_batch"`
	Rooms struct {
		Join   map[string]*joined  `json:"join"`
		Invite map[string]*invited `json:"invite"`
		Leave  map[string]*joined  `json:"leave"`
	} `json:"rooms"`
}

// sync answers with what is new since a position, as soon as something is.
func (s *Server) sync(r *request) (any, error) {
	q := r.URL.Query()
	since, err := strconv.Atoi(strings.TrimPrefix(q.Get("since"), "s"))
	initial := err != nil
	ms, _ := strconv.Atoi(q.Get("timeout")) // absent is 0
	late := time.NewTimer(time.Duration(ms) * time.Millisecond)
	defer late.Stop()
	waiting := !initial && ms > 0
	for {
		s.mu.Lock()
		limit, err := s.limitOf(r)
		if err != nil {
			s.mu.Unlock()
			return nil, err
		}
		out, news := s.since(r, since, limit, initial)
		change := s.change
		s.mu.Unlock()
		if news || !waiting {
			return out, nil
		}
		select {
		case <-change:
		case <-late.C:
			waiting = false
		case <-r.Context().Done():
			return nil, r.Context().Err()
		case <-s.ctx.Done():
			return nil, no(http.StatusServiceUnavailable, "M_UNKNOWN", "closing")
		}
	}
}

// since gives what a user sees after a position. s.mu is held.
func (s *Server) since(r *request, since, limit int, initial bool) (*synced, bool) {
	out := &synced{Next: "s" + strconv.Itoa(len(s.events))}
	out.Rooms.Join, out.Rooms.Invite, out.Rooms.Leave = map[string]*joined{}, map[string]*invited{}, map[string]*joined{}
	for id, m := range s.rooms {
		member := m.state[[2]string{"m.room.member", r.user}]
		if member == nil {
			continue
		}
		changed := initial || member.position > since
		switch membership := m.membership(r.user); {
		case membership == "invite" && changed:
			in := &invited{}
			for _, e := range m.state {
				in.State.Events = append(in.State.Events, e)
			}
			out.Rooms.Invite[id] = in
		case membership == "join":
			if j := m.joinedSince(r, since, limit, initial || member.position > since && m.before(r.user, since) != "join"); j != nil {
				out.Rooms.Join[id] = j
			}
		case membership == "leave" && changed && !initial:
			j := &joined{}
			j.Timeline.Events = []*Event{member}
			out.Rooms.Leave[id] = j
		}
	}
	return out, len(out.Rooms.Join)+len(out.Rooms.Invite)+len(out.Rooms.Leave) > 0
}

// before is the membership that a user had at a position.
func (m *room) before(user string, position int) string {
	old := &room{state: map[[2]string]*Event{}}
	for _, e := range m.events {
		if e.position <= position && e.Type == "m.room.member" && *e.StateKey == user {
			old.state[[2]string{e.Type, user}] = e
		}
	}
	return old.membership(user)
}

// joinedSince gives a joined room's news; nil if there are none. fresh: all of its
// events are.
func (m *room) joinedSince(r *request, since, limit int, fresh bool) *joined {
	var news []*Event
	for _, e := range m.events {
		if fresh || e.position > since {
			news = append(news, e.as(r.token))
		}
	}
	if len(news) == 0 {
		return nil
	}
	j := &joined{}
	cut := max(0, len(news)-limit)
	j.Timeline = timeline{Events: news[cut:], Limited: cut > 0, Prev: strconv.Itoa(news[cut].position - 1)}
	for _, e := range news[:cut] {
		if e.StateKey != nil && m.state[[2]string{e.Type, *e.StateKey}].ID == e.ID {
			j.State.Events = append(j.State.Events, e)
		}
	}
	return j
}
