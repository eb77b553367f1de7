// Package sdp is the session description half of a leg: it reads what a
// terminal says, decides what the exchange says, and writes it (RFC 8866, RFC
// 3264, RFC 8829, RFC 8843).
//
// Every decision is a pure function of descriptions: which lines are usable,
// which codecs a second terminal may be offered, what an answer may hold,
// which payload types, mids and extension ids are ours. Reading is bounded by
// Limits; nothing a peer sends makes it panic or work for long.
//
// It must never know of sockets, of pion's PeerConnection, of the bus, or of
// how packets travel.
package sdp
