package harness

import (
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// The instrument itself: a browser hears its own tone, sees its own camera, and
// hears nothing once the microphone is muted.
func TestBrowserMeasuresWhatItReceives(t *testing.T) {
	srv := httptest.NewServer(http.FileServer(http.Dir("testdata")))
	t.Cleanup(srv.Close)
	b, err := NewBrowser(t.TempDir(), 523)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	p := b.Open(t, srv.URL+"/loopback.html")
	p.AwaitState(10*time.Second, "established")
	p.AwaitTone(523)
	p.AwaitVideo()
	evaluate[any](p, "mute", "mute()")
	p.AwaitSilence()
}
