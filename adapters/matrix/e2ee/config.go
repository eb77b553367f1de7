package e2ee

import (
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
)

// Config is what a Keeper works with. Homeserver, Token, Secret, Store and Log
// are needed.
type Config struct {
	// Homeserver is the URL of the client-server API.
	Homeserver string
	// Token is the application service's, for logging in as its users.
	Token string
	// Secret is what keys are sealed with, and what the users' identities follow
	// from: the same on all nodes. With another one, all devices are made anew.
	Secret []byte
	// Store keeps everything. One node at a time may work on it.
	Store kit.Store
	// Log gets no keys and no contents.
	Log *slog.Logger

	// HTTP is what requests are made with, http.DefaultTransport if it is nil. The
	// requests that wait for to-device messages, one for each device, are made with
	// a copy of it that has no limit of connections.
	HTTP http.RoundTripper
	// Known reports whether two users share a room that counts. To-device
	// messages of others are dropped unread. Without it, all are read.
	Known func(as, peer id.UserID) bool

	// MaxDevices is how many users' devices run at once. Beyond it, the one that
	// was idle longest is stopped until it is needed again. 256 if 0.
	MaxDevices int
	// RequestTimeout bounds one request but /sync; 15 s if 0.
	RequestTimeout time.Duration
	// PollTimeout is how long the homeserver may leave a /sync unanswered; 30 s
	// if 0.
	PollTimeout time.Duration
	// AskAfter is how long keys may be missing before their sender is asked for
	// them; 2 s if 0.
	AskAfter time.Duration

	polls http.RoundTripper
	bad   *bad
}

func (c *Config) complete() error {
	u, err := url.Parse(c.Homeserver)
	switch {
	case err != nil || u.Host == "":
		return schema.Invalid("homeserver", "must be a URL")
	case c.Token == "":
		return schema.Invalid("token", "must not be empty")
	case len(c.Secret) < 16:
		return schema.Invalid("secret", "must have at least 16 bytes")
	case c.Store == nil || c.Log == nil:
		return schema.Invalid("store", "store and log are needed")
	case c.MaxDevices < 0:
		return schema.Invalid("max_devices", "must not be negative")
	}
	if c.MaxDevices == 0 {
		c.MaxDevices = 256
	}
	if c.HTTP == nil {
		c.HTTP = http.DefaultTransport
	}
	c.bad = &bad{}
	c.polls = c.HTTP
	if t, ok := c.HTTP.(*http.Transport); ok {
		t = t.Clone()
		t.MaxConnsPerHost, t.MaxIdleConns, t.MaxIdleConnsPerHost = 0, c.MaxDevices, c.MaxDevices
		t.ResponseHeaderTimeout = 0
		c.polls = t
	}
	if c.Known == nil {
		c.Known = func(id.UserID, id.UserID) bool { return true }
	}
	for _, d := range []struct {
		v   *time.Duration
		def time.Duration
	}{
		{&c.RequestTimeout, 15 * time.Second},
		{&c.PollTimeout, 30 * time.Second},
		{&c.AskAfter, 2 * time.Second},
	} {
		if *d.v <= 0 {
			*d.v = d.def
		}
	}
	return nil
}
