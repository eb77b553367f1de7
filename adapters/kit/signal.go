package kit

import (
	"context"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// maxSignals is how many signals wait for their leg's media node to be known.
const maxSignals = 64

// Signal implements Host.
func (h *host) Signal(_ context.Context, s *callv1.Signal) error {
	if s.GetPrincipal() == "" {
		return schema.Invalid("principal", "missing")
	}
	legID, ok := schema.CanonicalUUID(s.GetLegId())
	if !ok {
		return errNoSuchLeg
	}
	s.LegId = legID
	if err := schema.ValidateSignal(s, h.limits.Sizes); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	l := h.legs.live[legID]
	switch {
	case l == nil || l.over || l.subscriber != s.GetPrincipal():
		return errNoSuchLeg
	case l.mediaNode != "":
		if err := h.env.Bus.Signal(l.mediaNode, s); err != nil {
			return retryable(err)
		}
	case len(l.signals) >= maxSignals:
		return schema.Errorf(callv1.Code_CODE_RATE_LIMITED, "too many signals before the call is known")
	default: // candidates may overtake the reply to their offer
		l.signals = append(l.signals, s)
	}
	return nil
}

// learnMedia takes where a leg's signals go, and sends those that waited. h.mu
// is held; a publication does not block.
func (h *host) learnMedia(l *leg, node string) {
	if node == "" {
		return
	}
	l.mediaNode = node
	for _, s := range l.signals {
		if err := h.env.Bus.Signal(node, s); err != nil {
			h.log.Debug("signal lost", "call", l.call, "leg", l.id, "error", err)
		}
	}
	l.signals = nil
}
