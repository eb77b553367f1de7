package e2ee

import (
	"log/slog"
	"net/http"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee/storetest"
)

// Requests that wait do not take the connections of those that do not.
func TestPollsAreApart(t *testing.T) {
	t.Parallel()
	few := &http.Transport{MaxConnsPerHost: 1}
	cfg := Config{
		Homeserver: "http://127.0.0.1:1", Token: "t", Secret: make([]byte, 16), Log: slog.New(slog.DiscardHandler),
		Store: (&storetest.Data{}).Open(-1, false), HTTP: few, MaxDevices: 300,
	}
	if err := cfg.complete(); err != nil {
		t.Fatal(err)
	}
	polls, ok := cfg.polls.(*http.Transport)
	if !ok || polls == few || polls.MaxConnsPerHost != 0 || polls.MaxIdleConnsPerHost < 300 || few.MaxConnsPerHost != 1 {
		t.Errorf("polls go by %+v", cfg.polls)
	}
}
