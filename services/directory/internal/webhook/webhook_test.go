package webhook

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// The signature is what openssl makes of "1767225600.{}" with the secret:
//
//	printf '1767225600.{}' | openssl dgst -sha256 -hmac 0123456789abcdef
func TestSignature(t *testing.T) {
	const want = "t=1767225600,v1=99902517b3069f78750aa0520b0493482454c2d30a579c7acc839f3363ca1b88"
	if got := Signature("0123456789abcdef", time.Unix(1767225600, 0), []byte("{}")); got != want {
		t.Errorf("signature %s, want %s", got, want)
	}
}

func TestPost(t *testing.T) {
	var asked atomic.Int32
	status := make(chan int, 10)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		w.WriteHeader(<-status)
		_, _ = w.Write([]byte(strings.Repeat("x", maxAnswer+1)))
	}))
	defer s.Close()
	h := New(Config{URL: s.URL + "?hunter22", Secret: "s", Timeout: 5 * time.Second, Tries: 2, Connections: 1})
	defer h.Close()
	for _, tt := range []struct {
		answers []int
		want    int // of the error; 0: none
	}{
		{[]int{200}, 0}, {[]int{204}, 0}, {[]int{429, 200}, 0}, {[]int{408, 202}, 0}, {[]int{500, 502}, 502}, {[]int{400}, 400}, {[]int{410}, 410}, {[]int{307}, 307},
	} {
		asked.Store(0)
		for _, a := range tt.answers {
			status <- a
		}
		answer, err := h.Post(t.Context(), []byte("{}"))
		var said *StatusError
		if tt.want == 0 && err != nil || tt.want != 0 && (!errors.As(err, &said) || said.Status != tt.want) {
			t.Errorf("%v: %v", tt.answers, err)
		}
		if len(answer) > maxAnswer || int(asked.Load()) != len(tt.answers) {
			t.Errorf("%v: asked %d times, %d bytes read", tt.answers, asked.Load(), len(answer))
		}
	}
	s.Close()
	if _, err := h.Post(t.Context(), nil); err == nil || strings.Contains(err.Error(), "hunter22") {
		t.Errorf("a server that is away: %v", err)
	}
}

// The end of its context ends a request and the pause before the next.
func TestPostEnds(t *testing.T) {
	hung := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(hung)
		<-r.Context().Done()
	}))
	defer s.Close()
	h := New(Config{URL: s.URL, Timeout: time.Minute, Tries: 10, Connections: 1})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { _, err := h.Post(ctx, nil); done <- err }()
	<-hung
	cancel()
	select {
	case err := <-done:
		if err == nil {
			t.Error("it was taken")
		}
	case <-time.After(10 * time.Second):
		t.Fatal("it did not end")
	}
}
