package voice

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
)

// Kinds of media.
const (
	Audio = "audio"
	Video = "video"
)

// Voice is one terminal's media in one call. Methods are called from one goroutine
// at a time.
type Voice interface {
	// Offer makes an offer, candidates complete. The first one has video if asked
	// for; later ones make a change ("hold", "resume", "video", "no-video",
	// "restart").
	Offer(change string, video bool) (string, error)
	// Answer takes an offer and makes the answer. It sends what it is asked for.
	Answer(offer string) (string, error)
	// Take takes the answer to the last offer; the same one again is no error.
	Take(answer string) error
	// Receives waits until packets come from a terminal, that were sent after the
	// call; from "nothing", until it is clear that none come.
	Receives(ctx context.Context, kind, from string) error
	// Digits waits until these RTP events have come, since the last time.
	Digits(ctx context.Context, want string) error
	// Play sends RTP events, one after the other.
	Play(ctx context.Context, digits string) error
	// Close ends it.
	Close()
}

// Room is what the voices of one test share: how often they could have sent, and
// where they are.
type Room struct {
	voices, turns atomic.Int64
	// Address tells the addresses of this machine that real voices have; nil: those
	// of its loopback.
	Address func(net.IP) bool
}

// enough is how often each voice could send before it is said that nothing came.
const enough = 6

// interval is the time between a voice's packets: seldom, since many talk at once.
const interval = 50 * time.Millisecond

// plain is a voice without media.
type plain struct{ name string }

// Plain makes a voice that only describes itself.
func Plain(name string) Voice { return plain{name} }

func (p plain) Offer(string, bool) (string, error) { return kittest.SDP(p.name), nil }
func (p plain) Answer(offer string) (string, error) {
	if offer == "" {
		return "", fmt.Errorf("an offer without a description")
	}
	return kittest.SDP(p.name), nil
}

func (p plain) Take(answer string) error {
	if !strings.Contains(answer, "m=audio ") {
		return fmt.Errorf("an answer without audio: %q", answer)
	}
	return nil
}

func (p plain) Receives(context.Context, string, string) error { return errNoMedia }
func (p plain) Digits(context.Context, string) error           { return errNoMedia }
func (p plain) Play(context.Context, string) error             { return errNoMedia }
func (p plain) Close()                                         {}

var errNoMedia = fmt.Errorf("no media flows here")

// Unusable makes a description refuse all that it lists (RFC 3264 section 6).
func Unusable(sdp string) string {
	lines := strings.Split(sdp, "\r\n")
	for i, l := range lines {
		if strings.HasPrefix(l, "m=") {
			f := strings.Fields(l)
			f[1] = "0"
			lines[i] = strings.Join(f, " ")
		}
	}
	return strings.Join(lines, "\r\n")
}
