package schema

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash/fnv"
	"strings"
)

// Partitions is the number of shares the calls are divided into.
const Partitions = 64

// MaxOrdinal is the largest leg ordinal an id can hold.
const MaxOrdinal = 1<<16 - 1

// FirstPulled is the smallest ordinal of a leg that a terminal starts inside a
// call (Pull): its host chooses it, where the owner counts all others from 1.
const FirstPulled = 1 << 15

// IDKey makes and recognises the cluster's call and leg ids. An id is a UUIDv8
// (RFC 9562 section 5.8): 90 bits of a keyed hash, 16 bits of a keyed check
// over those, and 16 bits of leg ordinal, 0 for the call itself. The hash makes
// a repeated wire message find the same call without memory and keeps a peer
// from aiming calls at one partition; the check tells our ids from a peer's.
type IDKey struct{ key []byte }

// NewIDKey derives the key from the cluster's secret.
func NewIDKey(secret []byte) IDKey {
	m := hmac.New(sha256.New, secret)
	m.Write([]byte("tandem call ids v1"))
	return IDKey{m.Sum(nil)}
}

// CallID names the call that a subscriber's terminal refers to as ref within a
// protocol's scope (a room, or the protocol's name where references are global).
func (k IDKey) CallID(subscriber, scope, ref string) string {
	m := hmac.New(sha256.New, k.key)
	for _, s := range []string{subscriber, scope, ref} {
		var n [4]byte
		binary.BigEndian.PutUint32(n[:], uint32(len(s))) //nolint:gosec // lengths are limited far below 2^32
		m.Write(n[:])
		m.Write([]byte(s))
	}
	var id [16]byte
	copy(id[:12], m.Sum(nil))
	id[6] = id[6]&0x0f | 0x80
	id[8] = id[8]&0x3f | 0x80
	check := k.check(id)
	id[12], id[13] = check[0], check[1]
	return formatUUID(id)
}

// NewCallID names a call whose protocol has no reference (a Pipe).
func (k IDKey) NewCallID(subscriber, scope string) string {
	return k.CallID(subscriber, scope, rand.Text())
}

// Ours reports whether id, in either form of a UUID, is a call or leg id of
// this cluster.
func (k IDKey) Ours(id string) bool {
	u, ok := parseUUID(id)
	if !ok || u[6]>>4 != 8 {
		return false
	}
	want := k.check(u)
	return hmac.Equal(want[:], u[12:14])
}

func (k IDKey) check(id [16]byte) [2]byte {
	m := hmac.New(sha256.New, k.key)
	m.Write([]byte("check"))
	m.Write(id[:12])
	s := m.Sum(nil)
	return [2]byte{s[0], s[1]}
}

// LegID names the leg of a call with an ordinal from 1 to MaxOrdinal.
func LegID(callID string, ordinal uint32) string {
	u, ok := parseUUID(callID)
	if !ok {
		return ""
	}
	binary.BigEndian.PutUint16(u[14:], uint16(ordinal)) //nolint:gosec // bounded by MaxOrdinal
	return formatUUID(u)
}

// SplitLegID gives the call a leg id was made for and its ordinal; a call's own
// id has ordinal 0. A handed-over leg keeps the id of the call it began in.
func SplitLegID(legID string) (callID string, ordinal uint32, ok bool) {
	u, ok := parseUUID(legID)
	if !ok {
		return "", 0, false
	}
	ordinal = uint32(binary.BigEndian.Uint16(u[14:]))
	u[14], u[15] = 0, 0
	return formatUUID(u), ordinal, true
}

// CanonicalUUID gives the lower-case hyphenated form of a UUID written with or
// without hyphens.
func CanonicalUUID(s string) (string, bool) {
	u, ok := parseUUID(s)
	if !ok {
		return "", false
	}
	return formatUUID(u), true
}

// CompactUUID gives a UUID as 32 hex digits (sylkRTC session ids).
func CompactUUID(id string) string { return strings.ReplaceAll(id, "-", "") }

// NewID gives a random id for a command, a terminal or a node instance.
func NewID() string { return rand.Text() }

// Partition gives the share a call belongs to: fnv1a32(call id) mod 64.
func Partition(callID string) uint32 {
	h := fnv.New32a()
	_, _ = h.Write([]byte(callID)) // never fails
	return h.Sum32() % Partitions
}

func parseUUID(s string) (u [16]byte, ok bool) {
	switch len(s) {
	case 36:
		if s[8] != '-' || s[13] != '-' || s[18] != '-' || s[23] != '-' {
			return u, false
		}
		s = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	case 32:
	default:
		return u, false
	}
	_, err := hex.Decode(u[:], []byte(s))
	return u, err == nil
}

func formatUUID(u [16]byte) string {
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	hex.Encode(b[9:13], u[4:6])
	hex.Encode(b[14:18], u[6:8])
	hex.Encode(b[19:23], u[8:10])
	hex.Encode(b[24:], u[10:])
	b[8], b[13], b[18], b[23] = '-', '-', '-', '-'
	return string(b[:])
}
