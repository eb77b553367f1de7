package matrix

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"sync"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// transactionWithin bounds the work on one transaction; homeservers give up after
// about a minute.
const transactionWithin = 45 * time.Second

// transaction takes events from the homeserver. It is answered once all of them have
// been dealt with: what they ask for is committed then, or refused for good. If
// something may work later, the homeserver is to send all of it again, and what was
// done is known by its event's id.
func (a *Adapter) transaction(w http.ResponseWriter, r *http.Request) {
	t := a.serving()
	if t == nil || !t.enter() {
		refuse(w, http.StatusServiceUnavailable, "M_UNKNOWN", "This node stands by; try again")
		return
	}
	defer t.leave()
	var body struct {
		Events []json.RawMessage `json:"events"`
	}
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		var large *http.MaxBytesError
		a.host.Metrics().Count("bad_transactions", 1)
		if errors.As(err, &large) {
			refuse(w, http.StatusRequestEntityTooLarge, "M_TOO_LARGE", "The transaction is larger than max_transaction_bytes")
			return
		}
		refuse(w, http.StatusBadRequest, "M_NOT_JSON", "Not a transaction")
		return
	}
	// The term goes on when the homeserver hangs up: what was begun is finished.
	ctx, cancel := context.WithTimeout(t.ctx, transactionWithin)
	defer cancel()
	if err := t.handleAll(ctx, body.Events); err != nil {
		t.log.Warn("a transaction is to come again", "transaction", r.PathValue("txn"), "error", err)
		refuse(w, http.StatusServiceUnavailable, "M_UNKNOWN", "Not now; try again")
		return
	}
	reply(w, struct{}{})
}

// handleAll handles events, those of a room in order, rooms side by side.
func (t *term) handleAll(ctx context.Context, events []json.RawMessage) error {
	rooms := map[id.RoomID][]incoming{}
	var order []id.RoomID
	for _, data := range events {
		e := &event.Event{}
		if err := json.Unmarshal(data, e); err != nil {
			t.a.host.Metrics().Count("bad_events", 1)
			continue
		}
		in, ok := read(e)
		if !ok {
			continue
		}
		if _, known := rooms[in.room]; !known {
			order = append(order, in.room)
		}
		rooms[in.room] = append(rooms[in.room], in)
	}
	var work sync.WaitGroup
	slots := make(chan struct{}, t.cfg.Concurrency)
	errs := make([]error, len(order))
	for i, in := range order {
		slots <- struct{}{}
		work.Go(func() {
			defer func() { <-slots }()
			errs[i] = t.handleRoom(ctx, in, rooms[in])
		})
	}
	work.Wait()
	return errors.Join(errs...)
}

func (t *term) handleRoom(ctx context.Context, in id.RoomID, events []incoming) error {
	unlock, err := t.lock(ctx, in.String())
	if err != nil {
		return err
	}
	defer unlock()
	for _, e := range events {
		if ctx.Err() != nil {
			return schema.Errorf(callv1.Code_CODE_RETRY, "matrix: %w", ctx.Err())
		}
		if err := t.handle(ctx, e); err != nil {
			return err
		}
	}
	return nil
}
