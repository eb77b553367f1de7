package matrix

import (
	"context"
	"encoding/json"
	"fmt"
	"runtime/debug"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// incoming is an event of a room as the homeserver told it.
type incoming struct {
	id     id.EventID
	room   id.RoomID
	sender id.UserID
	kind   string
	key    *string // of a state event
	at     time.Time
	age    time.Duration // as the homeserver says; 0 if it does not
	data   []byte        // the content's JSON
	event  *event.Event  // for decryption
}

// read takes what matters of an event; false for what is none of ours.
func read(e *event.Event) (incoming, bool) {
	in := incoming{
		id: e.ID, room: e.RoomID, sender: e.Sender, kind: e.Type.Type, key: e.StateKey,
		at: time.UnixMilli(e.Timestamp), data: e.Content.VeryRaw, event: e,
	}
	if e.Unsigned.Age > 0 {
		in.age = time.Duration(e.Unsigned.Age) * time.Millisecond
	}
	if in.data == nil { // made here, not read
		in.data, _ = json.Marshal(&e.Content)
	}
	return in, in.room != "" && in.sender != "" && in.kind != ""
}

// handle takes one event of a room. The room's lock is held. An error means that
// it shall come again; anything else that is wrong with it has been dealt with.
func (t *term) handle(ctx context.Context, in incoming) (err error) {
	if t.wasSeen(in.id) {
		return nil
	}
	defer func() { // a defect that one event shows is not to end the process, nor to come again with it
		if p := recover(); p != nil {
			t.log.Error("panic at an event", "room", in.room, "event", in.id, "type", in.kind,
				"panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			t.markSeen(in.id)
			err = nil
		}
	}()
	switch r := t.roomOf(in.room); {
	case in.key != nil:
		err = t.handleState(ctx, r, in)
	case t.a.ours(in.sender): // our own words come back
	case in.kind == typeEncrypted && r != nil:
		err = t.handleEncrypted(ctx, r, in)
	case isCallType(in.kind) && r != nil:
		err = t.handleCall(ctx, r, in)
	case isCallType(in.kind):
		t.log.Info("a call in a room that is none of ours", "room", in.room, "sender", in.sender, "type", in.kind)
	}
	if again(err) {
		return err
	}
	if err != nil {
		t.log.Info("event refused", "room", in.room, "event", in.id, "type", in.kind, "sender", in.sender, "error", err)
		t.a.host.Metrics().Count("events_refused", 1)
	}
	t.markSeen(in.id)
	return nil
}

// again reports whether an event that failed shall be told once more.
func again(err error) bool {
	return schema.CodeOf(err) == callv1.Code_CODE_RETRY
}

func (t *term) wasSeen(e id.EventID) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return e != "" && t.seen.has(e)
}

func (t *term) markSeen(e id.EventID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e != "" {
		t.seen.add(e)
	}
}

// handleState takes a state event.
func (t *term) handleState(ctx context.Context, r *room, in incoming) error {
	switch in.kind {
	case typeMember:
		return t.handleMember(ctx, r, in)
	case typeEncryption:
		if r == nil {
			return nil
		}
		return t.encrypted(ctx, r)
	case typeTombstone:
		if r != nil {
			return t.replaced(ctx, r)
		}
	case typeFunctional:
		if r != nil {
			t.changedMembers(r)
		}
	}
	return nil
}
