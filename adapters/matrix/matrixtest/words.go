package matrixtest

import (
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Cannot names what a version cannot say, each with the reason.
func Cannot(version string) map[kittest.Ability]string {
	cannot := map[kittest.Ability]string{
		kittest.Acks:             "the homeserver takes an event, and nobody says what became of it",
		kittest.HearsAlerting:    "no event says that the other side alerts",
		kittest.HearsEstablished: "no event says that media is up",
		kittest.SignalsDTMF:      "digits travel in RTP (RFC 4733); m.call.dtmf says that they are understood there",
		kittest.ShowsCalls:       "no event tells of a user's calls outside Matrix",
		kittest.ShowsAtOpening:   "no event tells of a user's calls outside Matrix",
		kittest.Pulls:            "no event takes over a call of another terminal",
		kittest.Pushes:           "m.call.replaces has the other side call somebody; no event gives a call to one's own phone",
		kittest.RefusesReoffers:  "an m.call.negotiate can only be answered",
		kittest.Insists:          "of two offers in a call the caller's stands: whoever is called answers it, and offers again",
		kittest.EarlyMedia:       "a called client gives its description with its answer",
		kittest.HearsEarlyMedia:  "a caller's client takes one answer, and that is the end of its ringing",
		kittest.Headers:          "call events have no headers",
		kittest.DialsUnknown:     "who stands for an address that nobody has declines the invitation, so there is no room to call in",
		kittest.OwnTerminals:     "all devices of a user are in the same rooms: they are one terminal, and fork inside Matrix",
		kittest.NoticesLoss:      "the homeserver keeps events for a device that is away, and tells nobody that it is",
		kittest.NoticesStall:     "the homeserver takes events for a device that does not read",
		kittest.ServesSideBySide: "an application service has one port: of several nodes one serves",
	}
	if version == V0 {
		cannot[kittest.Reoffers] = "call version 0 has no m.call.negotiate"
		cannot[kittest.TakesReoffers] = "call version 0 has no m.call.negotiate"
	}
	return cannot
}

// ReasonIn is what a client can tell from the reason of a hang-up or a reject, which
// says no more than a hang-up: clients show both alike.
func ReasonIn(text string) callv1.Reason {
	if why, ok := map[string]callv1.Reason{
		"user_busy":          callv1.Reason_REASON_BUSY,
		"invite_timeout":     callv1.Reason_REASON_NO_ANSWER,
		"ice_failed":         callv1.Reason_REASON_MEDIA_FAILED,
		"ice_timeout":        callv1.Reason_REASON_MEDIA_FAILED,
		"user_media_failed":  callv1.Reason_REASON_NOT_ACCEPTABLE,
		"unknown_error":      callv1.Reason_REASON_INTERNAL,
		"answered_elsewhere": callv1.Reason_REASON_ANSWERED_ELSEWHERE,
		"replaced":           callv1.Reason_REASON_ANSWERED_ELSEWHERE, // by the other of two that crossed
		"transferred":        callv1.Reason_REASON_TRANSFERRED,
	}[text]; ok {
		return why
	}
	return callv1.Reason_REASON_NORMAL
}
