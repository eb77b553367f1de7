// Package gathering waits for all of a pion peer's ICE candidates, for clients
// whose signaling has no message for a single one: their descriptions go out
// complete (RFC 8838 calls it half trickle).
package gathering
