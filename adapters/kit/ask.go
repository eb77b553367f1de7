package kit

import (
	"context"
	"errors"
	"slices"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Authenticate implements Host.
func (h *host) Authenticate(ctx context.Context, c *callv1.Credentials) (*callv1.Principal, error) {
	ask := h.askForStranger
	if c.GetAsserted() != nil { // somebody whom the adapter vouches for
		ask = h.ask
	}
	r, err := ask(ctx, &callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Authenticate{
		Authenticate: &callv1.Authenticate{Credentials: c, Kind: h.spec.Kind},
	}})
	switch {
	case err != nil:
		return nil, err
	case r.GetPrincipal().GetSubscriber() == "":
		return nil, schema.Errorf(callv1.Code_CODE_INTERNAL, "the directory named nobody")
	}
	return r.GetPrincipal(), nil
}

// ServesDomain implements Host.
func (h *host) ServesDomain(ctx context.Context, domain string) (bool, error) {
	_, err := h.askForStranger(ctx, &callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Domain{
		Domain: &callv1.Domain{Name: domain},
	}})
	if schema.CodeOf(err) == callv1.Code_CODE_NOT_FOUND {
		return false, nil
	}
	return err == nil, err
}

// ask puts a question to the directory; what the bus fails with is CODE_RETRY.
func (h *host) ask(ctx context.Context, q *callv1.DirectoryRequest) (*callv1.DirectoryReply, error) {
	ctx, cancel := bus.WithTimeout(ctx, h.limits.AskTimeout)
	defer cancel()
	r, err := h.env.Bus.Ask(ctx, q)
	var refusal *schema.Error
	if err != nil && !errors.As(err, &refusal) {
		return nil, retryable(err)
	}
	return r, err
}

// askForStranger asks for a peer that nobody knows yet. Only so many such questions
// are out at a time: the others wait for their turn here, where there is room, and
// are not refused by a directory that a flood of them has filled.
func (h *host) askForStranger(ctx context.Context, q *callv1.DirectoryRequest) (*callv1.DirectoryReply, error) {
	select {
	case h.strangers <- struct{}{}:
	default:
		turn, cancel := context.WithTimeout(ctx, h.limits.AskTimeout)
		defer cancel()
		select {
		case h.strangers <- struct{}{}:
		case <-turn.Done():
			h.rec.Count("sign_ins_refused", 1)
			return nil, schema.Errorf(callv1.Code_CODE_RETRY, "too many sign-ins wait")
		}
	}
	defer func() { <-h.strangers }()
	return h.ask(ctx, q)
}

// retryable gives a failure of the bus its code.
func retryable(err error) error {
	switch {
	case errors.Is(err, bus.ErrNotFound):
		return schema.Errorf(callv1.Code_CODE_NOT_FOUND, "%w", err)
	case errors.Is(err, bus.ErrConflict):
		return schema.Errorf(callv1.Code_CODE_CONFLICT, "%w", err)
	case errors.Is(err, bus.ErrInvalid), errors.Is(err, bus.ErrTooLarge):
		return schema.Errorf(callv1.Code_CODE_INVALID, "%w", err)
	case errors.Is(err, bus.ErrFull):
		return schema.Errorf(callv1.Code_CODE_OVERLOAD, "%w", err)
	}
	return schema.Errorf(callv1.Code_CODE_RETRY, "%w", err)
}

// LookUp implements Host.
func (h *host) LookUp(ctx context.Context, address string) (*callv1.Party, error) {
	r, err := h.ask(ctx, &callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Resolve{
		Resolve: &callv1.Resolve{Address: address},
	}})
	if err != nil {
		return nil, err
	}
	return r.GetParty(), nil
}

// PutDevice implements Host.
func (h *host) PutDevice(ctx context.Context, d *callv1.PutDevice) error {
	_, err := h.ask(ctx, &callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_PutDevice{PutDevice: d}})
	return err
}

// Wake implements Host.
func (h *host) Wake(ctx context.Context, w *callv1.Wake) error {
	_, err := h.ask(ctx, &callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_Wake{Wake: w}})
	return err
}

// Calls implements Host.
func (h *host) Calls(ctx context.Context, terminalID string) ([]*callv1.Event, error) {
	h.mu.Lock()
	here := h.attachedLocked(terminalID)
	h.mu.Unlock()
	if !here {
		return nil, errNotAttached
	}
	ctx, cancel := bus.WithTimeout(ctx, h.limits.AskTimeout)
	defer cancel()
	r, err := h.env.Bus.Calls(ctx, &callv1.CallsRequest{TerminalId: terminalID})
	var refusal *schema.Error
	switch {
	case err != nil && !errors.As(err, &refusal):
		return nil, retryable(err)
	case err != nil:
		return nil, err
	}
	return h.showing(terminalID, slices.Clone(r.GetCalls()))
}
