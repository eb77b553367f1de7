package homeserver

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the API's
	"encoding/hex"
	"encoding/json"
	"net/http"
	"regexp"
	"strings"
)

// user is an account.
type user struct {
	id, password string
	profile      map[string]string
	data         map[string]json.RawMessage
}

// session is a device of a user, by its access token.
type session struct{ user, device, token string }

// authenticate finds out who speaks. An application service speaks for its bot, or
// for the user that it names.
func (s *Server) authenticate(r *request) error {
	token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if token == "" {
		token = r.URL.Query().Get("access_token")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.service = s.serviceOf(token); r.service != nil {
		id := r.URL.Query().Get("user_id")
		if id == "" {
			id = r.service.bot(s.name)
		}
		if !r.service.has(id, s.name) {
			return forbidden("not a user of the application service")
		}
		if s.users[id] == nil {
			return forbidden("the user is not registered")
		}
		r.session = session{user: id, device: "AS", token: token + " " + id}
		return nil
	}
	var ok bool
	if r.session, ok = s.sessions[token]; !ok {
		return no(http.StatusUnauthorized, "M_UNKNOWN_TOKEN", "unknown token")
	}
	return nil
}

func (s *Server) serviceOf(token string) *service {
	for _, a := range s.services {
		if token != "" && a.registration.ASToken == token {
			return a
		}
	}
	return nil
}

type credentials struct {
	Type       string `json:"type"`
	Username   string `json:"username"`
	User       string `json:"user"`
	Password   string `json:"password"`
	Device     string `json:"device_id"`
	NoLogin    bool   `json:"inhibit_login"`
	MAC        string `json:"mac"`
	Nonce      string `json:"nonce"`
	Identifier struct {
		User string `json:"user"`
	} `json:"identifier"`
}

const serviceLogin = "m.login.application_service"

func (r *request) bearer() string {
	return strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
}

var localpartForm = regexp.MustCompile(`^[a-z0-9._=/+-]{1,200}$`)

// make makes an account. s.mu is held.
func (s *Server) make(localpart, password string) (string, error) {
	id := "@" + localpart + ":" + s.name
	switch {
	case !localpartForm.MatchString(localpart):
		return "", no(http.StatusBadRequest, "M_INVALID_USERNAME", "%q", localpart)
	case s.users[id] != nil:
		return "", no(http.StatusBadRequest, "M_USER_IN_USE", "%s is taken", id)
	}
	s.users[id] = &user{id: id, password: password, profile: map[string]string{"displayname": localpart}, data: map[string]json.RawMessage{}}
	return id, nil
}

// signIn makes a session. s.mu is held.
func (s *Server) signIn(id, device string) map[string]any {
	if device == "" {
		device = s.mint("DEVICE")
	}
	token := s.mint("token-of-" + id + "-")
	s.sessions[token] = session{id, device, token}
	return map[string]any{"user_id": id, "access_token": token, "device_id": device, "home_server": s.name}
}

// Register makes an account.
func (s *Server) Register(localpart, password string) (userID string, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.make(localpart, password)
}

// register is for application services: others use the shared secret.
func (s *Server) register(r *request) (any, error) {
	var c credentials
	if err := r.read(&c); err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	a := s.serviceOf(r.bearer())
	if c.Type != serviceLogin || a == nil {
		return nil, forbidden("registration is for application services")
	}
	if !a.has("@"+c.Username+":"+s.name, s.name) {
		return nil, no(http.StatusBadRequest, "M_EXCLUSIVE", "%s is not in the namespace", c.Username)
	}
	id, err := s.make(c.Username, "")
	if err != nil {
		return nil, err
	}
	if c.NoLogin {
		return map[string]any{"user_id": id}, nil
	}
	return s.signIn(id, c.Device), nil
}

func (s *Server) login(r *request) (any, error) {
	var c credentials
	if err := r.read(&c); err != nil {
		return nil, err
	}
	name := c.Identifier.User
	if name == "" {
		name = c.User
	}
	if !strings.HasPrefix(name, "@") {
		name = "@" + name + ":" + s.name
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[name]
	a := s.serviceOf(r.bearer())
	switch {
	case u == nil:
		return nil, forbidden("wrong name or password")
	case c.Type == serviceLogin && a != nil && a.has(name, s.name):
	case c.Type != "m.login.password" || u.password == "" || u.password != c.Password:
		return nil, forbidden("wrong name or password")
	}
	return s.signIn(u.id, c.Device), nil
}

func (s *Server) logout(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.sessions, r.token)
	return none{}, nil
}

func (s *Server) whoami(r *request) (any, error) {
	return map[string]any{"user_id": r.user, "device_id": r.device}, nil
}

func (s *Server) nonce(*request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return map[string]any{"nonce": s.mint("nonce")}, nil
}

// adminRegister makes an account for who knows the shared secret.
func (s *Server) adminRegister(r *request) (any, error) {
	var c credentials
	if err := r.read(&c); err != nil {
		return nil, err
	}
	h := hmac.New(sha1.New, []byte(s.secret))
	_, _ = h.Write([]byte(c.Nonce + "\x00" + c.Username + "\x00" + c.Password + "\x00notadmin"))
	if s.secret == "" || hex.EncodeToString(h.Sum(nil)) != c.MAC {
		return nil, forbidden("the mac is wrong")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	id, err := s.make(c.Username, c.Password)
	if err != nil {
		return nil, err
	}
	return s.signIn(id, c.Device), nil
}

func (s *Server) profile(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	u := s.users[r.PathValue("user")]
	if u == nil {
		return nil, notFound("user")
	}
	out := map[string]string{}
	for k, v := range u.profile {
		if f := r.PathValue("field"); f == "" || f == k {
			out[k] = v
		}
	}
	return out, nil
}

func (s *Server) setProfile(r *request) (any, error) {
	var p map[string]string
	if err := r.read(&p); err != nil {
		return nil, err
	}
	id := r.PathValue("user")
	if id != r.user {
		return nil, forbidden("another's profile")
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[id].profile[r.PathValue("field")] = p[r.PathValue("field")]
	for _, m := range s.rooms {
		if m.membership(id) == "join" {
			s.memberEvent(m, id, id, "join")
		}
	}
	return none{}, nil
}

func (s *Server) setData(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[r.user].data[r.PathValue("type")] = r.body
	return none{}, nil
}

func (s *Server) data(r *request) (any, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	d, ok := s.users[r.user].data[r.PathValue("type")]
	if !ok {
		return nil, notFound("account data")
	}
	return d, nil
}
