package schema

import (
	"strconv"
	"strings"
)

// Subject names. Kind and node of the sender are part of every subject that an
// adapter publishes on, so the bus's permissions bind an identity to its name.

// CommandSubject is where kind/node sends a command for a call:
// call.v1.cmd.<kind>.<node>.<partition>.<call>.
func CommandSubject(kind, node, callID string) string {
	return "call.v1.cmd." + kind + "." + node + "." + partitionToken(callID) + "." + callID
}

// CommandFilter is what the owner of a partition subscribes to.
func CommandFilter(partition uint32) string {
	return "call.v1.cmd.*.*." + strconv.FormatUint(uint64(partition), 10) + ".*"
}

// EventSubject is where a leg's events go: call.v1.ev.<kind>.<node>.<leg>.
func EventSubject(kind, node, legID string) string {
	return "call.v1.ev." + kind + "." + node + "." + legID
}

// EventFilter is what an adapter node subscribes to.
func EventFilter(kind, node string) string { return "call.v1.ev." + kind + "." + node + ".*" }

// SignalSubject is where kind/node sends a leg's signals:
// call.v1.sig.<media node>.<kind>.<node>.<leg>.
func SignalSubject(mediaNode, kind, node, legID string) string {
	return "call.v1.sig." + mediaNode + "." + kind + "." + node + "." + legID
}

// SignalFilter is what a media node subscribes to.
func SignalFilter(mediaNode string) string { return "call.v1.sig." + mediaNode + ".*.*.*" }

// MediaSubject is where a call's media commands go: media.v1.cmd.<node>.<call>.
func MediaSubject(mediaNode, callID string) string { return "media.v1.cmd." + mediaNode + "." + callID }

// MediaFilter is what a media node subscribes to.
func MediaFilter(mediaNode string) string { return "media.v1.cmd." + mediaNode + ".*" }

// DirectorySubject is where kind/node asks the directory: dir.v1.<kind>.<node>.
func DirectorySubject(kind, node string) string { return "dir.v1." + kind + "." + node }

// DirectoryFilter is what directory nodes share by queue group.
const DirectoryFilter = "dir.v1.*.*"

// CallsSubject is where kind/node asks call state for a subscriber's calls:
// call.v1.calls.<kind>.<node>.
func CallsSubject(kind, node string) string { return "call.v1.calls." + kind + "." + node }

// CallsFilter is what call-state nodes share by queue group.
const CallsFilter = "call.v1.calls.*.*"

// RecordSubject holds a call's record:
// call.v1.rec.<partition>.<call>.<caller>.<called>. The subscribers are part of
// it, so that the journal is its own index of a subscriber's calls, written by
// the record's own commit.
func RecordSubject(callID, caller, called string) string {
	return "call.v1.rec." + partitionToken(callID) + "." + callID + "." + token(caller) + "." + token(called)
}

// RecordOf covers the one record of a call.
func RecordOf(callID string) string {
	return "call.v1.rec." + partitionToken(callID) + "." + callID + ".*.*"
}

// CallOfRecord gives the call id out of a record's subject; "" if it is none.
func CallOfRecord(subject string) string {
	if t := strings.Split(subject, "."); len(t) == 7 && t[2] == "rec" {
		return t[4]
	}
	return ""
}

// RecordFilter covers the records of one partition.
func RecordFilter(partition uint32) string {
	return "call.v1.rec." + strconv.FormatUint(uint64(partition), 10) + ".>"
}

// AllRecordsFilter covers every record.
const AllRecordsFilter = "call.v1.rec.>"

// SubscriberFilters cover the records of the calls that a subscriber placed, and
// of those that it was called with.
func SubscriberFilters(subscriber string) []string {
	t := token(subscriber)
	return []string{"call.v1.rec.*.*." + t + ".*", "call.v1.rec.*.*.*." + t}
}

// PairSubject holds the unanswered calls between two subscribers:
// call.v1.pair.<a>.<b>, tokens in lexical order.
func PairSubject(a, b string) string {
	a, b = token(a), token(b)
	if a > b {
		a, b = b, a
	}
	return "call.v1.pair." + a + "." + b
}

// SenderOf gives kind and node out of a command, signal, calls or directory
// subject.
func SenderOf(subject string) (kind, node string, ok bool) {
	t := strings.Split(subject, ".")
	switch {
	case len(t) == 7 && t[0] == "call" && t[2] == "cmd":
		return t[3], t[4], true
	case len(t) == 7 && t[0] == "call" && t[2] == "sig":
		return t[4], t[5], true
	case len(t) == 4 && t[0] == "dir":
		return t[2], t[3], true
	case len(t) == 5 && t[0] == "call" && t[2] == "calls":
		return t[3], t[4], true
	}
	return "", "", false
}

// LastToken gives the last token of a subject: the call or leg id.
func LastToken(subject string) string { return subject[strings.LastIndexByte(subject, '.')+1:] }

func partitionToken(callID string) string {
	return strconv.FormatUint(uint64(Partition(callID)), 10)
}

// ValidToken reports whether s can be a kind or node name in a subject:
// 1 to 64 of [0-9A-Za-z_-].
func ValidToken(s string) bool {
	if s == "" || len(s) > 64 {
		return false
	}
	for i := range len(s) {
		if !isTokenByte(s[i]) {
			return false
		}
	}
	return true
}

// token makes any subscriber id a subject token, one to one: bytes outside
// [0-9A-Za-z_-] become =XX, no id at all (a party outside the directory) =.
func token(s string) string {
	if ValidToken(s) {
		return s
	}
	if s == "" {
		return "="
	}
	const hexDigits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		if isTokenByte(s[i]) {
			b.WriteByte(s[i])
			continue
		}
		b.WriteByte('=')
		b.WriteByte(hexDigits[s[i]>>4])
		b.WriteByte(hexDigits[s[i]&15])
	}
	return b.String()
}

func isTokenByte(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-'
}
