package homeserver

import (
	"encoding/json"
	"slices"
)

// room is a room: its events, and its state by type and key.
type room struct {
	id     string
	events []*Event
	state  map[[2]string]*Event
}

func (m *room) membership(user string) string {
	e := m.state[[2]string{"m.room.member", user}]
	if e == nil {
		return ""
	}
	var c struct {
		Membership string `json:"membership"`
	}
	_ = json.Unmarshal(e.Content, &c) // made by memberEvent
	return c.Membership
}

// with gives the users of a membership, in order.
func (m *room) with(membership string) []string {
	var out []string
	for key := range m.state {
		if key[0] == "m.room.member" && m.membership(key[1]) == membership {
			out = append(out, key[1])
		}
	}
	slices.Sort(out)
	return out
}

// memberEvent changes a membership. s.mu is held.
func (s *Server) memberEvent(m *room, sender, user, membership string) *Event {
	c := map[string]any{"membership": membership}
	if u := s.users[user]; u != nil && membership != "leave" {
		for k, v := range u.profile {
			c[k] = v
		}
	}
	content, _ := json.Marshal(c) // texts only
	return s.add(m, &Event{Sender: sender, Type: "m.room.member", StateKey: &user, Content: content})
}

// roomFor gives a room that the session's user has joined. s.mu is held.
func (s *Server) roomFor(r *request) (*room, error) {
	m := s.rooms[r.PathValue("room")]
	if m == nil || m.membership(r.user) != "join" {
		return nil, forbidden(r.user + " is not in the room " + r.PathValue("room"))
	}
	return m, nil
}

func (s *Server) createRoom(r *request) (any, error) {
	var c struct {
		Name    string           `json:"name"`
		Topic   string           `json:"topic"`
		Invite  []string         `json:"invite"`
		Content map[string]any   `json:"creation_content"`
		Direct  bool             `json:"is_direct"`
		State   []*Event         `json:"initial_state"`
		Levels  *json.RawMessage `json:"power_level_content_override"`
		Version string           `json:"room_version"`
	}
	if err := r.read(&c); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m := &room{id: s.mint("!room") + ":" + s.name, state: map[[2]string]*Event{}}
	s.rooms[m.id] = m
	state := func(eventType string, content any) {
		b, _ := json.Marshal(content)
		key := ""
		s.add(m, &Event{Sender: r.user, Type: eventType, StateKey: &key, Content: b})
	}
	state("m.room.create", map[string]any{"creator": r.user, "room_version": "10"})
	s.memberEvent(m, r.user, r.user, "join")
	state("m.room.power_levels", map[string]any{"users": map[string]int{r.user: 100}})
	state("m.room.join_rules", map[string]any{"join_rule": "invite"})
	for _, e := range c.State {
		if e.StateKey == nil {
			e.StateKey = new(string)
		}
		s.add(m, &Event{Sender: r.user, Type: e.Type, StateKey: e.StateKey, Content: e.Content})
	}
	if c.Name != "" {
		state("m.room.name", map[string]any{"name": c.Name})
	}
	if c.Topic != "" {
		state("m.room.topic", map[string]any{"topic": c.Topic})
	}
	for _, u := range c.Invite {
		s.memberEvent(m, r.user, u, "invite")
	}
	return map[string]any{"room_id": m.id}, nil
}

func (s *Server) join(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.rooms[r.PathValue("room")]
	switch {
	case m == nil:
		return nil, notFound("room")
	case m.membership(r.user) == "join":
		return map[string]any{"room_id": m.id}, nil
	case m.membership(r.user) != "invite":
		return nil, forbidden("not invited")
	}
	s.memberEvent(m, r.user, r.user, "join")
	return map[string]any{"room_id": m.id}, nil
}

func (s *Server) invite(r *request) (any, error) {
	var c struct {
		User string `json:"user_id"`
	}
	if err := r.read(&c); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.roomFor(r)
	if err != nil {
		return nil, err
	}
	if m.membership(c.User) == "join" {
		return nil, forbidden("the user is in the room already")
	}
	s.memberEvent(m, r.user, c.User, "invite")
	return none{}, nil
}

func (s *Server) leave(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.rooms[r.PathValue("room")]
	if m == nil || m.membership(r.user) != "join" && m.membership(r.user) != "invite" {
		return nil, forbidden("not in the room")
	}
	s.memberEvent(m, r.user, r.user, "leave")
	return none{}, nil
}

func (s *Server) kick(r *request) (any, error) {
	var c struct {
		User string `json:"user_id"`
	}
	if err := r.read(&c); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.roomFor(r)
	if err != nil {
		return nil, err
	}
	s.memberEvent(m, r.user, c.User, "leave")
	return none{}, nil
}

func (s *Server) joinedRooms(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := []string{}
	for id, m := range s.rooms {
		if m.membership(r.user) == "join" {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return map[string]any{"joined_rooms": out}, nil
}

func (s *Server) joinedMembers(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.roomFor(r)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for _, id := range m.with("join") {
		p := map[string]string{}
		if name := s.users[id].profile["displayname"]; name != "" {
			p["display_name"] = name
		}
		out[id] = p
	}
	return map[string]any{"joined": out}, nil
}

func (s *Server) members(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	m, err := s.roomFor(r)
	if err != nil {
		return nil, err
	}
	chunk := []*Event{}
	for key, e := range m.state {
		if key[0] == "m.room.member" {
			chunk = append(chunk, e)
		}
	}
	return map[string]any{"chunk": chunk}, nil
}
