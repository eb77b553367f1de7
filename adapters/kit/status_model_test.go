package kit_test

import (
	"context"
	"math/rand/v2"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// shownCall is what a terminal should have been told of one call.
type shownCall struct {
	l    *leg // as one that the terminal is not in
	mine *leg // the terminal's own; nil if it is not in the call
	last uint64
	peer string // of what is shown; "" for nothing
}

// TestStatusesFollowTheirModel sends statuses in any order, again and again, while
// the terminal pulls calls and loses them, and compares what is delivered with a
// model of the contract.
func TestStatusesFollowTheirModel(t *testing.T) {
	for seed := range uint64(20) {
		n := start(t, nil)
		random := rand.New(rand.NewPCG(seed, 1)) //nolint:gosec // a test's
		alice, _ := n.attach("alice")
		calls := make([]*shownCall, 3)
		for i := range calls {
			calls[i] = &shownCall{l: n.called("alice", alice)}
		}
		var offered []*callv1.Event // what Calls is to say
		n.serveCalls(func(*callv1.CallsRequest) *callv1.CallsReply { return &callv1.CallsReply{Calls: offered} })
		version, number := uint64(1), uint64(0)
		for range 150 {
			c := calls[random.IntN(len(calls))]
			version += uint64(random.IntN(2))
			v := version - min(version-1, uint64(random.IntN(3))) // some are late
			peer := []string{"bob", "carol"}[random.IntN(2)]
			switch random.IntN(8) {
			default:
				news := c.mine == nil && v > c.last
				want := ok
				if c.mine != nil {
					want = callv1.Code_CODE_RETRY
				}
				c.l.gets(c.l.send(v, inCallWith(peer)), want)
				if news && c.peer != peer {
					n.wantStatus(c.l, v, true)
					c.peer = peer
				}
				if news {
					c.last = v
				}
			case 0, 1:
				news := c.mine == nil && v > c.last
				want := ok
				if c.mine != nil {
					want = callv1.Code_CODE_RETRY
				}
				c.l.gets(c.l.send(v, &callv1.Idle{}), want)
				if news && c.peer != "" {
					n.wantStatus(c.l, v, false)
					c.peer = ""
				}
				if news {
					c.last = v
				}
			case 2:
				if c.mine == nil {
					c.mine, c.peer = n.pulled("alice", alice, c.l.call, c.l.call), ""
				}
			case 3:
				if c.mine != nil {
					number++
					c.mine.gets(c.mine.send(number, &callv1.Ended{Reason: callv1.Reason_REASON_TRANSFERRED}), ok)
					n.delivered()
					c.mine = nil
				}
			case 4:
				offered = []*callv1.Event{c.l.event(v, inCallWith(peer))}
				got, err := n.host.Calls(n.ctx(), alice.GetId())
				news := c.mine == nil && v > c.last
				if err != nil || (len(got) == 1) != news {
					t.Fatalf("seed %d: calls: %v, %v; want news: %v", seed, got, err, news)
				}
				if news {
					c.last, c.peer = v, peer
				}
			case 5: // a pull that is refused changes nothing
				if c.mine == nil {
					out := n.accept(context.Background(), pull("alice", alice), kit.Ref{ID: c.l.call})
					n.next().refuse(callv1.Code_CODE_NOT_ACCEPTABLE)
					n.refusedWith(out, callv1.Code_CODE_NOT_ACCEPTABLE)
					<-out
				}
			}
		}
		n.notDelivered()
	}
}
