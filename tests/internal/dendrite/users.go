package dendrite

import (
	"crypto/hmac"
	"crypto/sha1" //nolint:gosec // the server's administration API is made of it
	"encoding/hex"
	"net/http"
	"testing"
)

// User is an account on a server, signed in at a device of its own. Its methods
// fail the test on any error.
type User struct {
	// ID is the whole user id, Localpart what is before the colon.
	ID, Localpart string
	// Password signs further devices in.
	Password string
	// Token is the access token of the first device, and Device that device.
	Token, Device string

	server *Server
}

// User makes an account. It fails the test if there is one of that name.
func (s *Server) User(t testing.TB, localpart string) *User {
	t.Helper()
	const path = "/_synapse/admin/v1/register"
	var nonce struct {
		Nonce string `json:"nonce"`
	}
	s.request(t, "", http.MethodGet, path, nil, &nonce)
	u := &User{Localpart: localpart, Password: "password of " + localpart, server: s}
	mac := hmac.New(sha1.New, []byte(Secret))
	mac.Write([]byte(nonce.Nonce + "\x00" + localpart + "\x00" + u.Password + "\x00notadmin"))
	var made struct {
		ID     string `json:"user_id"`
		Token  string `json:"access_token"`
		Device string `json:"device_id"`
	}
	s.request(t, "", http.MethodPost, path, map[string]any{
		"nonce": nonce.Nonce, "username": localpart, "password": u.Password, "admin": false,
		"mac": hex.EncodeToString(mac.Sum(nil)),
	}, &made)
	u.ID, u.Token, u.Device = made.ID, made.Token, made.Device
	return u
}

// SetDisplayName sets the name that others see.
func (u *User) SetDisplayName(t testing.TB, name string) {
	t.Helper()
	u.request(t, http.MethodPut, "/profile/"+escape(u.ID)+"/displayname", map[string]any{"displayname": name}, nil)
}

// At gives a server that somebody else started, to be used and not to be stopped.
func At(t testing.TB, url, name string) *Server {
	t.Helper()
	return &Server{URL: url, Name: name, t: t}
}

// SignIn signs an account of a server in, at a new device.
func (s *Server) SignIn(t testing.TB, localpart, password string) *User {
	t.Helper()
	u := &User{Localpart: localpart, Password: password, server: s}
	var made struct {
		ID     string `json:"user_id"`
		Token  string `json:"access_token"`
		Device string `json:"device_id"`
	}
	s.request(t, "", http.MethodPost, "/_matrix/client/v3/login", map[string]any{
		"type": "m.login.password", "password": password,
		"identifier": map[string]any{"type": "m.id.user", "user": localpart},
	}, &made)
	u.ID, u.Token, u.Device = made.ID, made.Token, made.Device
	return u
}
