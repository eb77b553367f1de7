package dendrite

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// requestWithin bounds one request.
const requestWithin = 30 * time.Second

// clientAPI is the path of the client-server API.
const clientAPI = "/_matrix/client/v3"

// Error is what the server refuses a request with.
type Error struct {
	Status int
	Code   string `json:"errcode"`
	Words  string `json:"error"`
}

// Error implements error.
func (e *Error) Error() string { return fmt.Sprintf("status %d: %s: %s", e.Status, e.Code, e.Words) }

// Do sends a request of the client-server API as the user (path after
// /_matrix/client/v3) and decodes the reply into out, which may be nil. What the
// server refuses is an *Error.
func (u *User) Do(t testing.TB, method, path string, in, out any) error {
	t.Helper()
	return u.server.do(t, u.Token, method, clientAPI+path, in, out)
}

func (u *User) request(t testing.TB, method, path string, in, out any) {
	t.Helper()
	if err := u.Do(t, method, path, in, out); err != nil {
		t.Fatalf("%s: %s %s: %v", u.ID, method, path, err)
	}
}

func (s *Server) request(t testing.TB, token, method, path string, in, out any) {
	t.Helper()
	if err := s.do(t, token, method, path, in, out); err != nil {
		t.Fatalf("%s %s: %v", method, path, err)
	}
}

func (s *Server) do(t testing.TB, token, method, path string, in, out any) error {
	t.Helper()
	var body io.Reader
	if in != nil {
		data, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(data)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	if token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	res, err := s.http.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end
	data, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		refused := &Error{Status: res.StatusCode}
		if json.Unmarshal(data, refused) != nil {
			refused.Words = strings.TrimSpace(string(data))
		}
		return refused
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(data, out)
}

func escape(s string) string { return url.PathEscape(s) }
