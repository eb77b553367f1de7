package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/directory"
)

// maxReply bounds what a client reads.
const maxReply = 64 << 20

// Client asks a running process's port.
type Client struct {
	// Server is its URL: http://127.0.0.1:9464.
	Server string
	// Token is sent if it is set.
	Token string
	// TokenFile is where the token is, if Token is empty; empty for none.
	TokenFile string
}

// Calls lists live calls, with all ended ones too.
func (c *Client) Calls(ctx context.Context, all bool) (Calls, error) {
	var out Calls
	path := "/api/calls"
	if all {
		path += "?all=true"
	}
	err := c.get(ctx, path, &out)
	return out, err
}

// Since lists live calls, and those that have ended since then.
func (c *Client) Since(ctx context.Context, then time.Time) (Calls, error) {
	var out Calls
	err := c.get(ctx, "/api/calls?ended_since="+url.QueryEscape(then.Format(time.RFC3339Nano)), &out)
	return out, err
}

func (c *Client) get(ctx context.Context, path string, out any) error {
	data, err := c.do(ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	return decode(data, out)
}

// Call gives one call's record.
func (c *Client) Call(ctx context.Context, id string) (*callv1.CallRecord, error) {
	data, err := c.do(ctx, http.MethodGet, "/api/calls/"+url.PathEscape(id), nil)
	if err != nil {
		return nil, err
	}
	r := &callv1.CallRecord{}
	if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(data, r); err != nil {
		return nil, fmt.Errorf("reading the answer: %w", err)
	}
	return r, nil
}

// Subscribers lists the directory.
func (c *Client) Subscribers(ctx context.Context) (Subscribers, error) {
	var out Subscribers
	err := c.get(ctx, "/api/subscribers", &out)
	return out, err
}

// Put adds or replaces a subscriber.
func (c *Client) Put(ctx context.Context, s directory.Subscriber) error {
	body, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing the subscriber: %w", err)
	}
	_, err = c.do(ctx, http.MethodPut, "/api/subscribers/"+url.PathEscape(s.ID), body)
	return err
}

// SetPhone makes an address a subscriber's phone; none is the default again.
func (c *Client) SetPhone(ctx context.Context, id, address string) error {
	body, err := json.Marshal(Phone{address})
	if err != nil {
		return fmt.Errorf("writing the address: %w", err)
	}
	_, err = c.do(ctx, http.MethodPut, "/api/subscribers/"+url.PathEscape(id)+"/phone", body)
	return err
}

// Remove deletes a subscriber.
func (c *Client) Remove(ctx context.Context, id string) error {
	_, err := c.do(ctx, http.MethodDelete, "/api/subscribers/"+url.PathEscape(id), nil)
	return err
}

// Ready asks for readiness: text is what the process says of itself, whether it is
// ready or, with ErrNotReady, not.
func (c *Client) Ready(ctx context.Context) (text string, err error) {
	status, data, err := c.ask(ctx, http.MethodGet, "/readyz", nil)
	text = strings.TrimSpace(string(data))
	switch {
	case err != nil:
		return "", err
	case status == http.StatusServiceUnavailable:
		return text, ErrNotReady
	case status != http.StatusOK:
		return "", fmt.Errorf("%s: %s", http.StatusText(status), text)
	}
	return text, nil
}

// ErrNotReady: the process lives and says why it is not ready.
var ErrNotReady = errors.New("not ready")

func (c *Client) do(ctx context.Context, method, path string, body []byte) ([]byte, error) {
	status, data, err := c.ask(ctx, method, path, body)
	if err != nil {
		return nil, err
	}
	if status >= http.StatusBadRequest {
		var f Failure
		if json.Unmarshal(data, &f) == nil && f.Error != "" {
			if f.Field != "" {
				return nil, fmt.Errorf("%s: %s", f.Field, f.Error)
			}
			return nil, errors.New(f.Error)
		}
		return nil, fmt.Errorf("%d %s: %s", status, http.StatusText(status), strings.TrimSpace(string(data)))
	}
	return data, nil
}

// ask sends a request and reads the answer.
func (c *Client) ask(ctx context.Context, method, path string, body []byte) (status int, data []byte, err error) {
	r, err := http.NewRequestWithContext(ctx, method, strings.TrimSuffix(c.Server, "/")+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("asking the exchange: %w", err)
	}
	token := c.Token
	if token == "" && c.TokenFile != "" {
		data, err := os.ReadFile(c.TokenFile)
		if err != nil {
			return 0, nil, fmt.Errorf("the API's token: %w", err)
		}
		token = strings.TrimSpace(string(data))
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	if body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		return 0, nil, fmt.Errorf("no exchange answers (is tandem serve running?): %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	data, err = io.ReadAll(io.LimitReader(res.Body, maxReply))
	if err != nil {
		return 0, nil, fmt.Errorf("reading the answer: %w", err)
	}
	return res.StatusCode, data, nil
}

func decode(data []byte, v any) error {
	if err := json.Unmarshal(data, v); err != nil {
		return fmt.Errorf("reading the answer: %w", err)
	}
	return nil
}
