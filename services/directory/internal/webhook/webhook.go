package webhook

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// SignatureHeader carries "t=<seconds>,v1=<hex>": when the request was made
// (Unix time), and HMAC-SHA256 with the secret over the same digits, a dot and
// the body. The time in it keeps an old request from being played again.
const SignatureHeader = "Tandem-Signature"

const (
	// maxAnswer bounds what is read of an answer.
	maxAnswer = 64 << 10
	// firstPause and longestPause are between tries.
	firstPause, longestPause = 500 * time.Millisecond, 8 * time.Second
)

// Config is where and how a Hook posts.
type Config struct {
	URL    string
	Secret string
	// Timeout bounds one try.
	Timeout time.Duration
	// Tries is how many there are at most.
	Tries int
	// Connections is how many are kept and made at most.
	Connections int
}

// Hook posts to one address.
type Hook struct {
	cfg    Config
	client *http.Client
}

// New makes a Hook without any I/O.
func New(cfg Config) *Hook {
	return &Hook{cfg: cfg, client: &http.Client{
		Timeout: cfg.Timeout,
		Transport: &http.Transport{
			Proxy: http.ProxyFromEnvironment, ForceAttemptHTTP2: true,
			MaxConnsPerHost: cfg.Connections, MaxIdleConnsPerHost: cfg.Connections, IdleConnTimeout: time.Minute,
			TLSHandshakeTimeout: cfg.Timeout, MaxResponseHeaderBytes: 16 << 10,
		},
		// What is posted is for the address that the operator named and no other.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Close gives idle connections back.
func (h *Hook) Close() { h.client.CloseIdleConnections() }

// StatusError is an answer that says no.
type StatusError struct{ Status int }

func (e *StatusError) Error() string { return fmt.Sprintf("the hook answered %d", e.Status) }

// passes reports whether the same request may succeed later.
func (e *StatusError) passes() bool {
	return e.Status >= 500 || e.Status == http.StatusTooManyRequests || e.Status == http.StatusRequestTimeout
}

// Post sends a body until it is taken, refused for good, tried often enough, or
// ctx ends. It gives the answer to the one that was taken, at most 64 KiB of it.
func (h *Hook) Post(ctx context.Context, body []byte) (answer []byte, err error) {
	pause := firstPause
	for try := 1; ; try++ {
		answer, err = h.once(ctx, body)
		var status *StatusError
		if err == nil || errors.As(err, &status) && !status.passes() || try >= h.cfg.Tries {
			return answer, err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return nil, err
		}
		pause = min(2*pause, longestPause)
	}
}

func (h *Hook) once(ctx context.Context, body []byte) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, h.cfg.URL, bytes.NewReader(body))
	if err != nil {
		return nil, errors.New("the hook's address cannot be used") // it may hold a secret
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "Tandem")
	r.Header.Set(SignatureHeader, Signature(h.cfg.Secret, time.Now(), body))
	res, err := h.client.Do(r)
	if err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			err = u.Err
		}
		return nil, fmt.Errorf("the hook cannot be reached: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(res.Body, maxAnswer))
	switch {
	case res.StatusCode < 200 || res.StatusCode > 299:
		return nil, &StatusError{res.StatusCode}
	case err != nil:
		return nil, nil // it has taken the request; what else it said is lost
	}
	return answer, nil
}

// Signature gives the value of SignatureHeader for a body.
func Signature(secret string, at time.Time, body []byte) string {
	seconds := strconv.FormatInt(at.Unix(), 10)
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(seconds + "."))
	m.Write(body)
	return "t=" + seconds + ",v1=" + hex.EncodeToString(m.Sum(nil))
}
