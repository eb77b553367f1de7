package matrix

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// handleCall takes a call event of a person. The room's lock is held.
func (t *term) handleCall(ctx context.Context, r *room, in incoming) error {
	if in.kind == typeIdentity || in.kind == typeMetadata || in.kind == typeMetadataUnstable {
		return nil // who somebody is, the directory says; what is muted sends silence
	}
	c, err := parse(in.kind, in.data)
	if err != nil {
		return t.malformed(ctx, r, in, c, err)
	}
	k := t.namedCall(r.ID, c.CallID)
	if in.kind == typeInvite {
		return t.handleInvite(ctx, r, in, c, k)
	}
	if k == nil || k.User != in.sender {
		if in.kind == typeHangup || in.kind == typeReject {
			t.markHung(r.ID, c.CallID) // its invite may yet come
		}
		return nil
	}
	switch in.kind {
	case typeCandidates:
		return t.handleCandidates(ctx, k, c)
	case typeAnswer:
		return t.handleAnswer(ctx, k, in, c)
	case typeSelect:
		return t.handleSelect(ctx, k, in, c)
	case typeReject:
		return t.handleReject(ctx, k, in, c)
	case typeHangup:
		return t.handleHangup(ctx, k, in, c)
	case typeNegotiate:
		return t.handleNegotiate(ctx, k, in, c)
	}
	return schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "matrix: %s is not supported", in.kind)
}

// malformed refuses an event that cannot be read: a call that it would begin is
// rejected in Matrix's terms, everything else is logged.
func (t *term) malformed(ctx context.Context, r *room, in incoming, c content, why error) error {
	t.a.host.Metrics().Count("bad_events", 1)
	if in.kind == typeInvite && c.CallID != "" && in.sender == r.User && t.namedCall(r.ID, c.CallID) == nil &&
		t.markHung(r.ID, c.CallID) {
		t.refuse(ctx, r, in, c, callv1.Reason_REASON_NOT_ACCEPTABLE)
	}
	return why
}

func (t *term) namedCall(in id.RoomID, callID string) *call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.named[name{in, callID}]
}

func (t *term) callOf(leg string) *call {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.calls[leg]
}

// markHung remembers that a call is over; false if that was known.
func (t *term) markHung(in id.RoomID, callID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hung.add(name{in, callID})
}

func (t *term) isHung(in id.RoomID, callID string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.hung.has(name{in, callID})
}

// keepCall stores a call and makes it known, before anything is said of it.
func (t *term) keepCall(ctx context.Context, k *call) error {
	k.stored = &record{key: keyOf(callPrefix, k.Leg)}
	if err := t.saveCall(ctx, k, func() {}); err != nil {
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.calls[k.Leg], t.named[name{k.Room, k.CallID}] = k, k
	t.a.host.Metrics().Gauge("calls", len(t.calls))
	return nil
}

func (t *term) saveCall(ctx context.Context, k *call, f func()) error {
	return k.stored.save(ctx, t.store(), func() ([]byte, error) {
		t.mu.Lock()
		defer t.mu.Unlock()
		f()
		return json.Marshal(k) //nolint:wrapcheck // wrapped by save
	})
}

// changeCall changes a call and stores it. That it could not be stored costs, at a
// crash, what the type of a later event makes up for.
func (t *term) changeCall(ctx context.Context, k *call, f func()) {
	if err := t.saveCall(ctx, k, f); err != nil {
		t.log.Warn("a call's state was not stored", "leg", k.Leg, "error", err)
	}
}

// dropCall forgets a call that is over on the wire.
func (t *term) dropCall(ctx context.Context, k *call) {
	t.markHung(k.Room, k.CallID)
	t.unlearn(ctx, k)
}

// unlearn forgets a call.
func (t *term) unlearn(ctx context.Context, k *call) {
	t.mu.Lock()
	delete(t.calls, k.Leg)
	if n := (name{k.Room, k.CallID}); t.named[n] == k {
		delete(t.named, n)
	}
	t.a.host.Metrics().Gauge("calls", len(t.calls))
	t.mu.Unlock()
	if err := k.stored.remove(context.WithoutCancel(ctx), t.store()); err != nil {
		t.log.Warn("a call that is over is still stored", "leg", k.Leg, "error", err)
	}
}

// command makes a command of a call's leg. Its id follows from the event that it
// comes from, so that an event that is told again asks for nothing twice.
func (k *call) command(cause id.EventID) *callv1.Command {
	return &callv1.Command{Id: derived("command", string(cause)), LegId: k.Leg, Principal: k.Subscriber}
}

// derived makes an id of what it is for and what it comes from.
func derived(what, from string) string {
	if from == "" {
		return schema.NewID()
	}
	sum := sha256.Sum256([]byte(what + "\x00" + from))
	return hex.EncodeToString(sum[:16])
}

// say sends an event of a call. txn makes it the same however often it is said.
func (t *term) say(ctx context.Context, k *call, kind string, content any, txn string, must bool) error {
	r := t.roomOf(k.Room)
	if r == nil {
		return schema.Errorf(callv1.Code_CODE_GONE, "matrix: the room is gone")
	}
	data, err := json.Marshal(content)
	if err != nil {
		return schema.Errorf(callv1.Code_CODE_INTERNAL, "matrix: %w", err)
	}
	if err := t.out.send(ctx, &message{
		Room: r.ID, As: r.Own, Type: kind, Content: data, Txn: txn, must: must, doubt: k.resumed,
	}); err != nil {
		return fmt.Errorf("matrix: %s in %s: %w", kind, r.ID, err)
	}
	return nil
}

// accept sends a command of a call, and hands its outcome over.
func (t *term) accept(ctx context.Context, c *callv1.Command, then kit.Ack) {
	t.a.host.Accept(ctx, c, kit.Ref{}, then)
}
