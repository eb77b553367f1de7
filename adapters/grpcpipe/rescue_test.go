package grpcpipe

import (
	"context"
	"testing"

	"google.golang.org/grpc/codes"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// A defect that one client's message shows ends its stream, and nothing else.
func TestADefectEndsItsStreamOnly(t *testing.T) {
	h := newFakeHost()
	h.signingIn = func(_ context.Context, token string) {
		if token == "defect" {
			panic("a defect at sign-in")
		}
	}
	h.owner = func(c *callv1.Command) (*callv1.Reply, error) {
		if c.GetOffer().GetSdp() == "v=0 defect" {
			panic("a defect in a command")
		}
		return nil, nil
	}
	s := serve(t, h)
	other := s.signIn(t, true, alice)
	if got := s.open(t, true, "authorization", "Bearer defect").ends(); got.Code() != codes.Internal {
		t.Errorf("at sign-in: %v", got)
	}
	p := s.signIn(t, true, carol)
	p.send(wireOffer(uuid1, "v=0 defect", "+"+bob))
	if got := p.ends(); got.Code() != codes.Internal {
		t.Errorf("at a message: %v", got)
	}
	s.ring(t, other)
}
