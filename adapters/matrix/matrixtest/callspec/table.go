package callspec

// kind is the type of a field.
type kind string

const (
	text     kind = "a text"
	name     kind = "1 to 255 of 0-9 A-Z a-z . _ ~ -"
	duration kind = "milliseconds above 0"
	userID   kind = "a user id"
	media    kind = "a session description"
	bits     kind = "an object of booleans"
	streams  kind = "an object of streams"
	list     kind = "a list of candidates"
	reason   kind = "a reason"
	identity kind = "an identity"
)

// field is one field of an event's content.
type field struct {
	name string
	kind kind
	// optional: it may be absent; a field that is there is always checked.
	optional bool
	// since is the call version that brought it.
	since int
	// types are the values of "type" that a session description may have.
	types []string
}

// event is what one type of event has besides the common fields.
type event struct {
	since  int
	fields []field
}

// MaxEvent is the most bytes that an event may have, complete and serialized.
const MaxEvent = 65536

// common are the fields of every call event; version is apart.
var common = []field{{name: "call_id", kind: name}, {name: "party_id", kind: name, since: 1}}

// Types of call events.
const (
	Invite       = "m.call.invite"
	Candidates   = "m.call.candidates"
	Answer       = "m.call.answer"
	SelectAnswer = "m.call.select_answer"
	Reject       = "m.call.reject"
	Hangup       = "m.call.hangup"
	Negotiate    = "m.call.negotiate"
	Streams      = "m.call.sdp_stream_metadata_changed"
	Identity     = "org.matrix.call.asserted_identity"
	Replaces     = "m.call.replaces"
)

var events = map[string]event{
	Invite: {fields: []field{
		{name: "offer", kind: media, types: []string{"offer"}},
		{name: "lifetime", kind: duration},
		{name: "invitee", kind: userID, optional: true},
		{name: "capabilities", kind: bits, optional: true},
		{name: "sdp_stream_metadata", kind: streams, optional: true},
	}},
	Candidates: {fields: []field{{name: "candidates", kind: list}}},
	Answer: {fields: []field{
		{name: "answer", kind: media, types: []string{"answer"}},
		{name: "capabilities", kind: bits, optional: true},
		{name: "sdp_stream_metadata", kind: streams, optional: true},
	}},
	SelectAnswer: {since: 1, fields: []field{{name: "selected_party_id", kind: name}}},
	Reject:       {since: 1, fields: []field{{name: "reason", kind: reason, optional: true}}},
	Hangup:       {fields: []field{{name: "reason", kind: reason, optional: true}}},
	Negotiate: {since: 1, fields: []field{
		{name: "description", kind: media, types: []string{"offer", "answer"}},
		{name: "lifetime", kind: duration},
		{name: "sdp_stream_metadata", kind: streams, optional: true},
	}},
	Streams:  {since: 1, fields: []field{{name: "sdp_stream_metadata", kind: streams}}},
	Identity: {fields: []field{{name: "asserted_identity", kind: identity}}},
	Replaces: {since: 1, fields: []field{
		{name: "replacement_id", kind: text}, {name: "target_user", kind: text, optional: true},
		{name: "target_room", kind: text, optional: true},
		{name: "create_call", kind: name, optional: true}, {name: "await_call", kind: name, optional: true},
	}},
}

// reasons are those of the specification, and those that clients send besides.
var reasons = []string{
	"ice_failed", "ice_timeout", "invite_timeout", "user_hangup", "user_media_failed", "user_busy", "unknown_error",
	"replaced", "answered_elsewhere", "transferred", "new_session",
}
