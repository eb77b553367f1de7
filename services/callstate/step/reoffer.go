package step

import (
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// maxHops is how many re-offers one change may lead to: the other side is offered
// what is new, and the first side, once, what came of that.
const maxHops = 2

// refuseReofferOf says why a leg may not offer anew.
func refuseReofferOf(in Input) *schema.Error {
	switch l := leg(in.Call, in.Command.GetLegId()); {
	case !live(l):
		return schema.Errorf(callv1.Code_CODE_ENDED, "the leg has ended")
	case !isActive(l):
		return schema.Errorf(callv1.Code_CODE_CONFLICT, "the leg has not answered")
	}
	return nil
}

// offerable reports whether a leg can be sent an offer now.
func offerable(l *callv1.Leg) bool {
	return l.GetTerminal().GetFeatures().GetRenegotiates() && !l.GetLost() && l.GetOfferOut() == 0
}

// planReoffer has the media node answer the terminal at once (RFC 3264 section 8)
// and make the offer that tells the other side what is new.
func planReoffer(in Input) []*callv1.MediaOp {
	if refuseReofferOf(in) != nil {
		return nil
	}
	l := leg(in.Call, in.Command.GetLegId())
	far, revision := farOf(in.Call, l), nextRevision(in, l)
	ops := append(takeBack(in, l),
		takeOffer(l.GetId(), revision, in.Command.GetReoffer().GetSdp(), l.GetTerminal()),
		&callv1.MediaOp{LegId: l.GetId(), Revision: revision, Op: &callv1.MediaOp_MakeAnswer{
			MakeAnswer: &callv1.MakeAnswer{PeerLegId: far.GetId()},
		}},
	)
	if offerable(far) {
		ops = append(ops, makeOfferAnew(in, far, l)...)
	}
	return ops
}

// makeOfferAnew has the media node offer a leg's terminal what another leg can do.
func makeOfferAnew(in Input, l, from *callv1.Leg) []*callv1.MediaOp {
	return append(takeBack(in, l), makeOffer(l.GetId(), nextRevision(in, l), from.GetId(), l.GetTerminal()))
}

// takeBack has the media node forget an offer to a leg's terminal that is out, or
// that came to nothing without its having been told, or the record knowing.
func takeBack(in Input, l *callv1.Leg) []*callv1.MediaOp {
	var ops []*callv1.MediaOp
	for r := max(l.GetMediaRevision(), firstRevision+1); r < nextRevision(in, l); r++ {
		ops = append(ops, withdraw(l.GetId(), r))
	}
	return ops
}

// reofferCall is a terminal's new offer in its call. One that the media node
// refuses leaves leg and call as they were, but for the revision that it has used
// up. An offer of ours that crossed it is dropped and sent again afterwards.
func reofferCall(t *txn) {
	if err := refuseReofferOf(t.in); err != nil {
		t.reply.Error = err.Proto()
		return
	}
	l, far := t.leg, farOf(t.call, t.leg)
	revision := nextRevision(t.in, leg(t.in.Call, l.GetId()))
	if bad := failed(t.in.Media, l.GetId()); bad != nil && len(t.in.Media) == 0 {
		t.refuse(bad.GetCode(), "%s", bad.GetMessage())
		return
	} else if bad != nil {
		t.decide()
		l.MediaRevision = revision
		t.refuse(bad.GetCode(), "%s", bad.GetMessage())
		t.note(tandem, label(l), "re-offer refused", l.GetId(), bad.GetMessage())
		if l.GetOfferOut() != 0 { // it has been taken back
			t.dropOffer(l)
			t.offerSoon(l)
		}
		return
	}
	t.decide()
	t.heard("re-offer", "")
	l.MediaRevision, l.OfferHops = revision, 0
	t.answerInReply(l)
	t.note(tandem, label(l), "re-offer answered", l.GetId(), "")
	t.after = append(t.after, keep(l.GetId()))
	if isNewTransport(t.in.Media, l.GetId()) {
		t.newTransport(l, revision)
	}
	if l.GetOfferOut() != 0 {
		t.dropOffer(l)
		t.offerSoon(l)
	}
	switch {
	case !far.GetTerminal().GetFeatures().GetRenegotiates():
	case offerable(far):
		t.offerAnew(far, 1)
	default: // once its terminal is back, or the offer that is out is settled
		far.OfferDue, far.OfferHops = true, 1
	}
}

// offerAnew sends a leg's terminal the offer that the media node made for it, if
// there is anything new in it. hops counts the re-offers since the change.
func (t *txn) offerAnew(l *callv1.Leg, hops uint32) {
	if !asked(t.in.Media, l.GetId()) {
		return
	}
	revision := nextRevision(t.in, leg(t.in.Call, l.GetId()))
	l.OfferDue = false
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_REOFFER, l.GetId()) // that was to send it
	if bad := failed(t.in.Media, l.GetId()); bad != nil {
		t.changed = true
		l.MediaRevision = revision // used up, perhaps
		t.note("media "+t.call.GetMediaNode(), tandem, "no re-offer", l.GetId(), bad.GetMessage())
		return
	}
	if unchanged(t.in.Media, l.GetId()) {
		return
	}
	t.decide()
	sdp, _ := described(t.in.Media, l.GetId())
	l.MediaRevision, l.OfferOut, l.OfferHops = revision, revision, hops
	t.setDeadline(callv1.DeadlineKind_DEADLINE_KIND_REOFFER, l.GetId(), t.in.Settings.Reoffer)
	t.emit(l, &callv1.Event{Body: &callv1.Event_Reoffer{Reoffer: &callv1.Reoffer{Sdp: sdp}}}, "re-offer", "")
}

// dropOffer forgets an offer that is out: its terminal need not see it any more.
func (t *txn) dropOffer(l *callv1.Leg) {
	l.OfferOut = 0
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_REOFFER, l.GetId())
	kept := t.call.PendingEvents[:0]
	for _, e := range t.call.GetPendingEvents() {
		if e.GetLegId() != l.GetId() || e.GetReoffer() == nil {
			kept = append(kept, e)
		}
	}
	t.call.PendingEvents = kept
}

// withdrawOffer takes an offer back that is out, and sends what is due instead.
func (t *txn) withdrawOffer(l *callv1.Leg) {
	t.after = append(t.after, withdraw(l.GetId(), l.GetOfferOut()))
	t.dropOffer(l)
	if l.GetOfferDue() {
		t.offerSoon(l)
	}
}

// offerSoon has the owner offer a leg's terminal anew in a transition of its own,
// at once: by a deadline that is due.
func (t *txn) offerSoon(l *callv1.Leg) {
	l.OfferDue = true
	t.clearDeadline(callv1.DeadlineKind_DEADLINE_KIND_REOFFER, l.GetId())
	t.call.Deadlines = append(t.call.Deadlines, &callv1.Deadline{
		Kind: callv1.DeadlineKind_DEADLINE_KIND_REOFFER, LegId: l.GetId(), At: timestamppb.New(t.in.Now),
	})
}

// refuseOffer keeps the call as it was before the offer that is out.
func refuseOffer(t *txn) {
	if !isActive(t.leg) || t.leg.GetOfferOut() == 0 {
		return
	}
	t.decide()
	t.heard("re-offer refused", "")
	t.withdrawOffer(t.leg)
}

// answeredOffer is the answer to the offer that is out.
func (t *txn) answeredOffer() {
	l := t.leg
	t.decide()
	if bad := failed(t.in.Media, l.GetId()); bad != nil {
		t.heard("re-offer answered", "not usable: "+bad.GetMessage())
		t.refuse(bad.GetCode(), "%s", bad.GetMessage())
		t.withdrawOffer(l)
		return
	}
	t.heard("re-offer answered", "")
	revision, hops := l.GetOfferOut(), l.GetOfferHops()
	t.dropOffer(l)
	if _, skeleton := described(t.in.Media, l.GetId()); skeleton != nil {
		l.Skeleton = skeleton
	}
	t.after = append(t.after, keep(l.GetId()))
	if isNewTransport(t.in.Media, l.GetId()) {
		t.newTransport(l, revision)
	}
	if l.GetOfferDue() {
		t.offerSoon(l)
		return
	}
	t.offerAnew(farOf(t.call, l), hops+1)
}

// planDeadline has the media node make an offer that is due.
func planDeadline(in Input) []*callv1.MediaOp {
	p := in.Command.GetDeadlinePassed()
	l := leg(in.Call, p.GetLegId())
	if p.GetKind() != callv1.DeadlineKind_DEADLINE_KIND_REOFFER || !isDue(in, p) || !l.GetOfferDue() || !isActive(l) || !offerable(l) {
		return nil
	}
	return makeOfferAnew(in, l, farOf(in.Call, l))
}

// reofferDeadline withdraws the offer that a terminal did not answer, or sends
// the one that is due.
func (t *txn) reofferDeadline(l *callv1.Leg) {
	switch {
	case l.GetOfferOut() != 0:
		t.timer("the re-offer was not answered in time")
		t.withdrawOffer(l)
	case l.GetOfferDue() && offerable(l):
		t.offerAnew(l, l.GetOfferHops())
	}
}

func withdraw(legID string, revision uint32) *callv1.MediaOp {
	return &callv1.MediaOp{LegId: legID, Revision: revision, Op: &callv1.MediaOp_Withdraw{Withdraw: &callv1.Withdraw{}}}
}
