//go:build goolm

package e2ee

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"testing"
	"time"

	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee/storetest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// scene is a conversation in which any node may die: an invite comes, it is
// answered, its key changes, another comes and is answered.
type scene struct {
	t      *testing.T
	h      *homeserver
	data   *storetest.Data
	c      *client
	events []*event.Event
	sent   []json.RawMessage
	used   map[string]json.RawMessage // session and index to what was sent with it
}

func newScene(t *testing.T) *scene {
	h := newHomeserver(t)
	return &scene{t: t, h: h, data: &storetest.Data{}, c: newClient(t, h, alice, "PHONE"), used: map[string]json.RawMessage{}}
}

// play goes through the conversation with a node, as far as it gets.
func (s *scene) play(n *node, died <-chan struct{}) bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	go func() {
		select {
		case <-died:
			cancel()
		case <-ctx.Done():
		}
	}()
	if n.Ensure(ctx, ghost) != nil {
		return false
	}
	for len(s.events) < 2 {
		s.rotate()
		s.events = append(s.events, s.c.invite(s.t, true))
		if !s.read(ctx, n, s.events[len(s.events)-1]) || !s.write(ctx, n) {
			return false
		}
	}
	return true
}

// rotate has the client make a new Megolm session, and give it to a device that
// may be known to it only now.
func (s *scene) rotate() {
	s.t.Helper()
	if _, err := s.c.mach.FetchKeys(s.t.Context(), []id.UserID{ghost}, true); err != nil {
		s.t.Fatal(err)
	}
	if err := s.c.mach.CryptoStore.RemoveOutboundGroupSession(s.t.Context(), room); err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) read(ctx context.Context, n *node, e *event.Event) bool {
	for {
		_, err := n.Decrypt(ctx, ghost, e)
		switch {
		case err == nil:
			return true
		case !errors.Is(err, ErrNoKeys):
			return false
		}
		select {
		case <-n.came:
		case <-ctx.Done():
			return false
		}
	}
}

// write encrypts an answer and notes the message index that it used.
func (s *scene) write(ctx context.Context, n *node) bool {
	content, err := n.Encrypt(ctx, ghost, room, []id.UserID{alice}, "m.call.answer", json.RawMessage(answer))
	if err != nil {
		return false
	}
	var e event.EncryptedEventContent
	if err := json.Unmarshal(content, &e); err != nil {
		s.t.Fatal(err)
	}
	index, err := crypto.ParseMegolmMessageIndex(e.MegolmCiphertext)
	if err != nil {
		s.t.Fatal(err)
	}
	place := fmt.Sprintf("%s %d", e.SessionID, index)
	if s.used[place] != nil {
		s.t.Errorf("used twice: %s", place)
	}
	s.used[place] = content
	s.sent = append(s.sent, content)
	return true
}

// end sees that whatever came can be read and whatever was sent was.
func (s *scene) end(n *node) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), within)
	defer cancel()
	for i, e := range s.events {
		if !s.read(ctx, n, e) {
			s.t.Errorf("event %d of %d can never be read", i+1, len(s.events))
		}
	}
	s.c.pump(s.t)
	for i, content := range s.sent {
		if _, err := s.c.read(s.t, content); err != nil {
			s.t.Errorf("answer %d of %d: %v", i+1, len(s.sent), err)
		}
	}
}

// A node dies at each write in turn, before or after it. Another goes on.
func TestDieAnywhere(t *testing.T) {
	t.Parallel()
	whole := newScene(t)
	n := start(t, whole.h.config(whole.data.Open(-1, false)))
	if !whole.play(n, nil) {
		t.Fatal("it does not even work without dying")
	}
	whole.end(n)
	n.stop()
	writes := whole.data.Writes()
	if writes < 10 {
		t.Fatalf("only %d writes", writes)
	}
	for i := range writes {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d late %t", i, late), func(t *testing.T) {
				t.Parallel()
				s := newScene(t)
				store := s.data.Open(i, late)
				n := start(t, s.h.config(store))
				s.play(n, store.Died())
				n.stop()
				heir := start(t, s.h.config(s.data.Open(-1, false)))
				if !s.play(heir, nil) {
					t.Fatal("the next node does not get through")
				}
				s.end(heir)
				s.h.set(func() {
					if len(s.h.keys[ghost]) > 2 {
						t.Errorf("%d devices", len(s.h.keys[ghost]))
					}
				})
			})
		}
	}
}

// Two nodes serve the same device, because both believe that they should.
func TestTwoNodes(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	first := start(t, s.h.config(s.data.Open(-1, false)))
	if err := first.Ensure(t.Context(), ghost); err != nil {
		t.Fatal(err)
	}
	second := start(t, s.h.config(s.data.Open(-1, false)))
	ctx, cancel := context.WithTimeout(t.Context(), 2*within)
	defer cancel()
	conflicts := 0
	for range 3 {
		s.rotate()
		s.events = append(s.events, s.c.invite(t, true))
		for _, n := range []*node{first, second} {
			for done := false; !done && ctx.Err() == nil; {
				if done = s.write(ctx, n); done {
					break
				}
				if err := n.Ensure(ctx, ghost); schema.CodeOf(err) == callv1.Code_CODE_CONFLICT {
					conflicts++
				}
				select {
				case <-time.After(20 * time.Millisecond):
				case <-ctx.Done():
				}
			}
		}
	}
	if conflicts == 0 {
		t.Error("nobody noticed")
	}
	first.stop()
	s.end(second)
}
