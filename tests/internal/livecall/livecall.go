// Package livecall places calls with real media between terminals of any two
// protocols, through an exchange that runs elsewhere.
//
// It knows terminals by the conformance kit's contract and nothing of how the
// exchange is reached.
package livecall

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/tests/pairs/voice"
)

// Side is one side of a call.
type Side struct {
	// Name is what its media says: who is heard.
	Name string
	// Client is signed in as Account.
	Client  kittest.Client
	Account kittest.Account
}

// Place has one side call the other, waits until each hears the other, and has the
// caller hang up. It returns once the other one was told that the call is over.
// Media is sent from the loopback.
func Place(ctx context.Context, from, to Side) error {
	return PlaceIn(ctx, &voice.Room{}, from, to)
}

// PlaceIn does the same with media as a room has it.
func PlaceIn(ctx context.Context, room *voice.Room, from, to Side) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%s calls %s: %w", from.Name, to.Name, err)
		}
	}()
	a, err := voice.Real(from.Name, room)
	if err != nil {
		return err
	}
	defer a.Close()
	b, err := voice.Real(to.Name, room)
	if err != nil {
		return err
	}
	defer b.Close()
	offer, err := a.Offer("", false)
	if err != nil {
		return err
	}
	out, err := from.Client.Call(ctx, to.Account, offer)
	if err != nil {
		return fmt.Errorf("placing it: %w", err)
	}
	in, err := answer(ctx, room, to, b)
	if err != nil {
		return err
	}
	answered, err := until(ctx, out, kittest.Answered)
	if err != nil {
		return err
	}
	if err := a.Take(reachable(room, answered.SDP)); err != nil {
		return fmt.Errorf("taking the answer: %w", err)
	}
	if err := a.Receives(ctx, voice.Audio, to.Name); err != nil {
		return err
	}
	if err := b.Receives(ctx, voice.Audio, from.Name); err != nil {
		return err
	}
	if err := out.HangUp(ctx); err != nil {
		return fmt.Errorf("hanging up: %w", err)
	}
	_, err = until(ctx, in, kittest.Ended)
	return err
}

func answer(ctx context.Context, room *voice.Room, to Side, b voice.Voice) (kittest.Call, error) {
	in, err := to.Client.Incoming(ctx)
	if err != nil {
		return nil, fmt.Errorf("nothing comes in: %w", err)
	}
	sdp, err := b.Answer(reachable(room, in.SDP()))
	if err != nil {
		return nil, err
	}
	if err := in.Answer(ctx, sdp); err != nil {
		return nil, fmt.Errorf("answering: %w", err)
	}
	return in, nil
}

// reachable leaves the candidates in a description that a room's voices can send to.
// A socket on the loopback must not try others: the kernel would ask for their link
// addresses in the name of 127.0.0.1, which nobody answers, and packets that others
// have for the same addresses would wait for that answer.
func reachable(room *voice.Room, sdp string) string {
	if room.Address != nil {
		return sdp
	}
	lines := strings.Split(sdp, "\r\n")
	return strings.Join(slices.DeleteFunc(lines, func(l string) bool {
		f := strings.Fields(l)
		if !strings.HasPrefix(l, "a=candidate:") || len(f) < 5 {
			return false
		}
		ip := net.ParseIP(f[4])
		return ip == nil || !ip.IsLoopback()
	}), "\r\n")
}

// until waits for one thing, and takes a refusal or an early end for a failure.
func until(ctx context.Context, c kittest.Call, want kittest.What) (kittest.Heard, error) {
	for {
		h, err := c.Next(ctx)
		if err != nil {
			return h, fmt.Errorf("waiting for %s: %w", want, err)
		}
		switch {
		case h.What == want:
			return h, nil
		case h.What == kittest.Ended, h.What == kittest.Refused && h.Op != kittest.OpHangUp:
			return h, fmt.Errorf("%s (%s %s %s) instead of %s", h.What, h.Op, h.Code, h.Reason, want)
		}
	}
}
