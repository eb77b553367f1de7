package sylkrtc

// Versions of the protocol, by the names of their WebSocket subprotocols.
type version string

const (
	v1 version = "sylkRTC-1"
	v2 version = "sylkRTC-2"
)

// Requests a client sends. Every one has a transaction, in the frame around it.
type (
	ping struct{}

	accountAdd struct {
		account, password      string
		displayName, userAgent string
		headerPrefixes         []string // lower case
	}
	accountRemove     struct{ account string }
	accountRegister   struct{ account string }
	accountUnregister struct{ account string }

	sessionCreate struct {
		session, account, uri, sdp string
		headers                    []header
	}
	sessionAnswer struct {
		session, sdp string
		headers      []header
	}
	sessionTrickle struct {
		session    string
		candidates []candidate // empty: no more will come
	}
	sessionTerminate struct{ session string }
	sessionUpdate    struct {
		session, sdp string
		headers      []header
	}
	sessionDTMF struct {
		session    string
		digits     string // 1 to maxDigits, upper case
		durationMS uint32 // of each
	}

	// unsupported is a request of the protocol that this server does not do.
	unsupported struct{}
)

// header is one end-to-end header, its name as the client spells it.
type header struct{ name, value string }

// candidate is one ICE candidate.
type candidate struct {
	candidate, mid string
	mLine          int32
}

// frame is one request as it came.
type frame struct {
	transaction string
	name        string // "session-create"
	body        request
}

// Messages the server sends. The two versions of the protocol write the same
// messages differently: see encode.
type (
	ready struct{}
	ack   struct{ transaction string }
	// failure is the protocol's "error".
	failure struct{ transaction, text string }

	registrationState struct{ account, state, reason string }
	incomingSession   struct {
		account, session string
		originator       identity
		sdp, callID      string
		headers          map[string]string
	}
	missedSession struct {
		account    string
		originator identity
	}
	sessionState struct {
		session, state      string
		sdp, callID, reason string
		code                int // of proceeding
		headers             map[string]string
	}
	// sessionUpdated is an event of sylkRTC-2 only.
	sessionUpdated struct{ session, state, sdp, reason string }
)

// identity is a party as a client shows it.
type identity struct {
	URI         string `json:"uri"`
	DisplayName string `json:"display_name"`
}

// Registration states.
const (
	registering = "registering"
	registered  = "registered"
	failed      = "failed"
)

// Session states. "connecting" is never on the wire but in error texts; it is
// the state before the first event, on either side.
const (
	connecting  = "connecting"
	progress    = "progress"
	proceeding  = "proceeding"  // an event of sylkRTC-2, no state
	ringing     = "ringing"     // the same
	earlyMedia  = "early-media" // sylkRTC-2 only
	accepted    = "accepted"
	established = "established"
	terminated  = "terminated"
	claimed     = "unknown" // of an earlier connection; never on the wire
)

// States of an update of a session.
const (
	updateReceived = "received"
	updateAccepted = accepted
	updateFailed   = failed
)
