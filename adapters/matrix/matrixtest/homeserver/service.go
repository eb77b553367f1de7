package homeserver

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"
)

// Registration is an application service, as far as it matters here.
type Registration struct {
	// ID tells it from others, URL is where its port is.
	ID, URL string
	// ASToken is what it shows, HSToken what it is shown.
	ASToken, HSToken string
	// Bot is the localpart of its own user.
	Bot string
	// Users is a regular expression of the user ids in its namespace.
	Users string
	// Protocols are those whose look-ups it answers.
	Protocols []string
}

// service is an application service and what it has not been told yet.
type service struct {
	registration Registration
	users        *regexp.Regexp
	// queue are the events that it has not taken; txn counts the transactions.
	queue []*Event
	txn   int
}

// again is how long it takes until a transaction that was not taken is tried again.
const again = 20 * time.Millisecond

// AddService makes an application service known; its transactions are delivered from
// now on. Its bot has an account then.
func (s *Server) AddService(r Registration) error {
	users, err := regexp.Compile(r.Users)
	if err != nil {
		return fmt.Errorf("homeserver: %w", err)
	}
	a := &service{registration: r, users: users}
	s.mu.Lock()
	s.services = append(s.services, a)
	_, err = s.make(r.Bot, "")
	s.mu.Unlock()
	s.running.Go(func() { s.deliver(a) })
	return err
}

// MoveService says where an application service is now.
func (s *Server) MoveService(id, url string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, a := range s.services {
		if a.registration.ID == id {
			a.registration.URL = url
		}
	}
}

func (a *service) bot(server string) string { return "@" + a.registration.Bot + ":" + server }

// has reports whether a user is the service's.
func (a *service) has(id, server string) bool { return id == a.bot(server) || a.users.MatchString(id) }

// isInterested reports whether an event is pushed to the service: if a user of its
// has joined the room, or the event is by or about one.
func (a *service) isInterested(m *room, e *Event, server string) bool {
	if a.has(e.Sender, server) || e.Type == "m.room.member" && a.has(*e.StateKey, server) {
		return true
	}
	for _, id := range m.with("join") {
		if a.has(id, server) {
			return true
		}
	}
	return false
}

// deliver sends transactions, one after the other, each until it is taken.
func (s *Server) deliver(a *service) {
	repeated := false
	for {
		s.mu.Lock()
		change, idle := s.change, len(a.queue) == 0 || s.faults.away || s.faults.held
		events := a.queue[:min(len(a.queue), 50)]
		url, repeat := a.registration.URL, s.faults.repeat && !repeated
		s.mu.Unlock()
		if idle {
			select {
			case <-change:
				continue
			case <-s.ctx.Done():
				return
			}
		}
		switch taken := s.transaction(a, url, events); {
		case taken && repeat:
			repeated = true // its answer was lost; what came meanwhile goes with it
			continue
		case taken:
			repeated = false
			s.mu.Lock()
			a.queue = a.queue[len(events):]
			a.txn++
			s.mu.Unlock()
			continue
		}
		select {
		case <-time.After(again):
		case <-s.ctx.Done():
			return
		}
	}
}

// transaction sends one, and reports whether it was taken.
func (s *Server) transaction(a *service, base string, events []*Event) bool {
	body, err := json.Marshal(map[string]any{"events": events})
	if err != nil {
		return false
	}
	ctx, cancel := context.WithTimeout(s.ctx, 30*time.Second)
	defer cancel()
	where := fmt.Sprintf("%s/_matrix/app/v1/transactions/%d", base, a.txn)
	resp, err := a.ask(ctx, http.MethodPut, where, body)
	if err != nil {
		return false
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

func (a *service) ask(ctx context.Context, method, where string, body []byte) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, method, where, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Authorization", "Bearer "+a.registration.HSToken)
	r.Header.Set("Content-Type", "application/json")
	return transport.RoundTrip(r)
}

// transport keeps no connections: a service that moved is found again.
var transport = &http.Transport{DisableKeepAlives: true}

func (s *Server) protocols(r *request) (any, error) {
	out := map[string]any{}
	for _, a := range s.listed() {
		for _, p := range a.registration.Protocols {
			if one, err := s.lookUp(r, a, "protocol/"+url.PathEscape(p), url.Values{}); err == nil {
				out[p] = one
			}
		}
	}
	return out, nil
}

func (s *Server) protocol(r *request) (any, error) { return s.passOn(r, "protocol/") }

func (s *Server) thirdPartyUser(r *request) (any, error) { return s.passOn(r, "user/") }

// passOn asks the service that has the protocol.
func (s *Server) passOn(r *request, what string) (any, error) {
	p := r.PathValue("protocol")
	for _, a := range s.listed() {
		for _, x := range a.registration.Protocols {
			if x == p {
				return s.lookUp(r, a, what+url.PathEscape(p), r.URL.Query())
			}
		}
	}
	return nil, notFound("protocol")
}

func (s *Server) listed() []*service {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*service(nil), s.services...)
}

func (s *Server) lookUp(r *request, a *service, what string, q url.Values) (any, error) {
	q.Del("access_token")
	s.mu.Lock()
	where := strings.TrimSuffix(a.registration.URL, "/") + "/_matrix/app/v1/thirdparty/" + what + "?" + q.Encode()
	s.mu.Unlock()
	resp, err := a.ask(r.Context(), http.MethodGet, where, nil)
	if err != nil {
		return nil, no(http.StatusBadGateway, "M_UNKNOWN", "%v", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		return nil, notFound("answer")
	}
	return json.RawMessage(body), nil
}
