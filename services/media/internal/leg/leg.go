package leg

import (
	"net/netip"
	"time"

	"github.com/pion/rtp"

	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// Leg is one terminal's media session.
//
// The methods of an exchange (down to Undo) are called one at a time. All others
// may be called from any goroutine and do not block. Errors of an exchange are
// those of package sdp, or an engine's own; after an error the leg is as before,
// unless ErrBroken is in the chain.
type Leg interface {
	// TakeOffer keeps a terminal's offer. Before the answer is made nothing else
	// changes, and it may be replaced by another. On a negotiated leg it takes back
	// an offer of ours that is out.
	TakeOffer(text string) (Outcome, error)
	// MakeAnswer answers the offer taken, within what the peer can do, and starts
	// the transport, restarts its ICE, or begins a new one, as the offer asks.
	MakeAnswer(peer sdp.Bounds) (Outcome, error)
	// MakeOffer offers what the peer can do; video is left out if the terminal
	// has none. On a negotiated leg nothing changes before the answer is taken.
	MakeOffer(peer sdp.Bounds, video bool) (Outcome, error)
	// TakeAnswer takes the terminal's answer to the offer made and starts the
	// transport.
	TakeAnswer(text string) (Outcome, error)
	// Withdraw takes back an offer made on a negotiated leg.
	Withdraw()
	// Undo takes back the last MakeAnswer on a negotiated leg, whose answer no
	// terminal has seen: its offer can be answered again. Error: ErrState.
	Undo() error

	// Bounds is what the terminal can do, as far as known.
	Bounds() sdp.Bounds
	// Session is our side of the last complete exchange, or of the first one under
	// way; nil before there is one. It is not to be changed.
	Session() *sdp.Session
	// AddCandidate takes a candidate of the terminal. Candidates of another
	// generation and broken ones are dropped.
	AddCandidate(c *callv1.Candidate)
	// Connected reports whether ICE and DTLS of the newest transport are up.
	Connected() bool
	// Transport numbers the newest transport, from 1; 0 before there is one.
	Transport() uint32

	// SetSink says where packets of the terminal go; nil drops them.
	SetSink(s Sink)
	// Send sends a packet to the terminal on a line of the session: payload type,
	// sequence number, timestamp, marker and forwarded extensions as on this
	// leg's wire; the leg fills in the rest. It does nothing before the leg is
	// connected. The leg does not keep header or payload.
	Send(line int, header *rtp.Header, payload []byte)
	// SendReport sends a sender report for the line's stream: which wall-clock
	// time (NTP) a timestamp stands for.
	SendReport(line int, ntp uint64, timestamp uint32)
	// RequestKeyFrame asks the terminal for a key frame on a line.
	RequestKeyFrame(line int)
	// LimitBitrate tells the terminal the most it should send, in bits a second.
	LimitBitrate(line int, bps uint64)

	// Stats is what has happened so far.
	Stats() Stats
	// Export is the leg's state, as far as the engine can tell it.
	Export() *State
	// Close ends the leg and returns once everything of it has ended.
	Close()
}

// Outcome is what half an exchange has come to.
type Outcome struct {
	// SDP is the description made.
	SDP string
	// Unchanged: the terminal would be told nothing new, so no offer was made.
	Unchanged bool
	// NewTransport: there is a transport that is not connected yet, and tells once
	// it is.
	NewTransport bool
	// Changed: the terminal of a negotiated leg may want something else of the
	// other one than before.
	Changed bool
}

// Sink takes what a leg's terminal sends. Calls for one line come one at a time;
// they must not block. Packet memory belongs to the leg.
type Sink interface {
	// Packet is one RTP packet. The header's extensions are as on the wire.
	Packet(line int, header *rtp.Header, payload []byte)
	// Report is the terminal's sender report for a line.
	Report(line int, ntp uint64, timestamp uint32)
	// KeyFrameWanted: the terminal needs a key frame of what it is sent.
	KeyFrameWanted(line int)
	// BitrateWanted: the terminal can take that many bits a second.
	BitrateWanted(line int, bps uint64)
}

// Events is told about a leg's newest transport, with its number. Calls come from goroutines of the
// leg, must not block and must not call Close.
type Events interface {
	// Connected: ICE and DTLS are up. Once for each transport, and again if the
	// terminal's ICE restart has brought one back that had failed.
	Connected(transport uint32)
	// Failed: the transport is down, for good unless the terminal offers anew. left
	// says that the terminal closed it (DTLS close_notify), as one does that hangs
	// up.
	Failed(transport uint32, reason string, left bool)
}

// Stats counts a leg's traffic.
type Stats struct {
	PacketsIn, BytesIn   uint64
	PacketsOut, BytesOut uint64
	// LostIn packets of the terminal's did not come here; LostOut of ours did not
	// come there, as it says itself (RFC 3550 section 6.4.1).
	LostIn, LostOut uint64
	// Retransmitted packets, sent on request of the terminal.
	Retransmitted uint64
	// KeyFrameRequests that came from the terminal.
	KeyFrameRequests uint64
}

// State is a leg's state: what another node needs to go on with it.
type State struct {
	// Session is our side of the last exchange.
	Session *sdp.Session
	// Offer is an offer taken and not answered.
	Offer *sdp.Description
	// LocalUfrag and LocalPwd are our ICE credentials.
	LocalUfrag, LocalPwd string
	// Fingerprint of our certificate, "sha-256 …".
	Fingerprint string
	// RemoteAddress is where the terminal is reached; invalid before it is known.
	RemoteAddress netip.AddrPort
	// Connected tells whether ICE and DTLS are up.
	Connected bool
	// Out are the streams we send, In those of the terminal.
	Out, In []StreamState
	// Keys are the SRTP keys; nil if the engine cannot give them.
	Keys *Keys
	// At is when the state was taken.
	At time.Time
}

// StreamState is where one RTP stream has come to.
type StreamState struct {
	Line int
	SSRC uint32
	// Sequence is the last number, with the roll-over counter in the upper bits
	// (RFC 3711 section 3.3.1).
	Sequence uint64
	// Timestamp is the last one.
	Timestamp uint32
	Packets   uint64
}

// Keys are exported SRTP keys (RFC 5764 section 4.2).
type Keys struct {
	Profile                                         uint16
	LocalKey, LocalSalt, RemoteKey, RemoteSalt, MKI []byte
}
