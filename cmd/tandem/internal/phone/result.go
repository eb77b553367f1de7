package phone

import (
	"encoding/json"
	"io"
	"time"
)

// State is how far a call came.
type State string

// The states, in the order in which a call passes through them.
const (
	Calling     State = "calling"     // the Offer was sent, or has arrived
	Ringing     State = "ringing"     // the called terminal alerts
	Answered    State = "answered"    // descriptions are exchanged
	Established State = "established" // ICE and DTLS are connected
)

// Reason is why a call ended, as far as a WG2 terminal can know: the protocol's
// Bye has no cause.
type Reason string

// The reasons.
const (
	LocalHangUp    Reason = "local_hangup"    // this phone ended the answered call
	RemoteHangUp   Reason = "remote_hangup"   // the exchange ended the answered call
	Transferred    Reason = "transferred"     // it goes on at the subscriber's phone, as this phone asked
	Refused        Reason = "refused"         // Bye before an answer, to a caller
	Cancelled      Reason = "cancelled"       // the caller gave up before an answer
	Rejected       Reason = "rejected"        // this phone refused the call
	NoAnswer       Reason = "no_answer"       // this phone gave up waiting
	TryAgain       Reason = "try_again"       // Error TRY_AGAIN to the Offer
	RateLimited    Reason = "rate_limited"    // Error RATE_LIMIT_HIT to the Offer
	NoSuchCall     Reason = "no_such_call"    // Error INVALID_CALL_ID or NOT_INCALL
	ProtocolError  Reason = "protocol_error"  // Error UNKNOWN
	MediaFailed    Reason = "media_failed"    // media did not connect, or was lost
	ConnectionLost Reason = "connection_lost" // the stream was lost with the call on it
)

// Result is one call, as --json prints it. Times are in milliseconds; those of
// things that did not happen are 0.
type Result struct {
	CallID string `json:"call_id"`
	// Peer is the other side's number.
	Peer  string `json:"peer"`
	State State  `json:"state"`
	// Reason is why the call ended.
	Reason Reason `json:"reason"`
	// SetupMS: from the Offer sent until the Answer came; of a call that was
	// received, from the Offer until the Answer was sent.
	SetupMS float64 `json:"setup_ms"`
	// ConnectedMS: from the Offer until ICE and DTLS were connected.
	ConnectedMS float64 `json:"connected_ms"`
	// RxPackets and RxVideoPackets count RTP packets of audio and video.
	RxPackets      int `json:"rx_packets"`
	RxVideoPackets int `json:"rx_video_packets"`
	// RxToneHz is the strongest frequency of the audio heard, 0 for silence.
	RxToneHz float64 `json:"rx_tone_hz"`
}

func (r *Result) write(w io.Writer) error {
	b, err := json.Marshal(r)
	if err != nil {
		return err
	}
	_, err = w.Write(append(b, '\n'))
	return err
}

func milliseconds(d time.Duration) float64 {
	return float64(d.Round(10*time.Microsecond)) / float64(time.Millisecond)
}
