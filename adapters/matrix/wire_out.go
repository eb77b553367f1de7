package matrix

import "time"

// What the adapter says. Every content has the fields that the specification
// requires of its type, and is made by these functions alone.

// wireBase is what all call events have. Version is the text "1", or for a call
// with a client of version 0 the integer 0, and PartyID then absent.
type wireBase struct {
	CallID  string `json:"call_id"`
	PartyID string `json:"party_id,omitempty"`
	Version any    `json:"version"`
}

type wireSDP struct {
	Type string `json:"type"`
	SDP  string `json:"sdp"`
}

// wireCapabilities says what we can do (MSC2747, MSC2746).
type wireCapabilities struct {
	Transferee bool `json:"m.call.transferee"`
	DTMF       bool `json:"m.call.dtmf"`
}

// streamMetadata says what a stream of a description is (MSC3077).
type streamMetadata struct {
	Purpose    string `json:"purpose"`
	AudioMuted bool   `json:"audio_muted"`
	VideoMuted bool   `json:"video_muted"`
}

type wireInvite struct {
	wireBase
	Lifetime     int64                     `json:"lifetime"`
	Offer        wireSDP                   `json:"offer"`
	Invitee      string                    `json:"invitee,omitempty"`
	Capabilities wireCapabilities          `json:"capabilities"`
	Metadata     map[string]streamMetadata `json:"sdp_stream_metadata,omitempty"`
	Unstable     map[string]streamMetadata `json:"org.matrix.msc3077.sdp_stream_metadata,omitempty"`
}

type wireAnswer struct {
	wireBase
	Answer       wireSDP                   `json:"answer"`
	Capabilities wireCapabilities          `json:"capabilities"`
	Metadata     map[string]streamMetadata `json:"sdp_stream_metadata,omitempty"`
	Unstable     map[string]streamMetadata `json:"org.matrix.msc3077.sdp_stream_metadata,omitempty"`
}

type wireNegotiate struct {
	wireBase
	Description wireSDP                   `json:"description"`
	Lifetime    int64                     `json:"lifetime"`
	Metadata    map[string]streamMetadata `json:"sdp_stream_metadata,omitempty"`
	Unstable    map[string]streamMetadata `json:"org.matrix.msc3077.sdp_stream_metadata,omitempty"`
}

type wireSelect struct {
	wireBase
	Selected string `json:"selected_party_id"`
}

type wireEnd struct {
	wireBase
	Reason string `json:"reason,omitempty"`
}

type wireIdentity struct {
	wireBase
	Identity identity `json:"asserted_identity"`
}

// identity is who the other party is (MSC3086).
type identity struct {
	ID          string `json:"id,omitempty"`
	DisplayName string `json:"display_name,omitempty"`
}

// base gives a call's common fields as its client's version has them.
func (c *call) base() wireBase {
	if c.Version == version0 {
		return wireBase{CallID: c.CallID, Version: 0}
	}
	return wireBase{CallID: c.CallID, PartyID: c.Party, Version: version1}
}

func (c *call) invite(sdp, invitee string, lifetime time.Duration) wireInvite {
	m := metadataOf(sdp)
	return wireInvite{
		wireBase: c.base(), Lifetime: lifetime.Milliseconds(), Offer: wireSDP{"offer", sdp}, Invitee: invitee,
		Capabilities: capabilitiesOf(sdp), Metadata: m, Unstable: m,
	}
}

func (c *call) answer(sdp string) wireAnswer {
	m := metadataOf(sdp)
	return wireAnswer{
		wireBase: c.base(), Answer: wireSDP{"answer", sdp}, Capabilities: capabilitiesOf(sdp), Metadata: m, Unstable: m,
	}
}

func (c *call) negotiate(kind, sdp string, lifetime time.Duration) wireNegotiate {
	m := metadataOf(sdp)
	return wireNegotiate{
		wireBase: c.base(), Description: wireSDP{kind, sdp}, Lifetime: lifetime.Milliseconds(), Metadata: m, Unstable: m,
	}
}
