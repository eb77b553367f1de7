package schema

import callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"

// ReasonInfo describes a Reason for those who show or map it.
type ReasonInfo struct {
	// Name stands in logs, ladders and metrics: "no-answer".
	Name string
	// Meaning is a sentence for people.
	Meaning string
	// SIPStatus and SIPPhrase are what protocols that speak SIP reasons say
	// (RFC 3261 section 21, RFC 3326); 0 if the reason says nothing.
	SIPStatus int
	// SIPPhrase goes with SIPStatus.
	SIPPhrase string
}

// DescribeReason gives what is known of a reason. One that is not of this version's
// set, which a newer node may send, is described as REASON_INTERNAL is, under
// the name "unknown".
func DescribeReason(r callv1.Reason) ReasonInfo {
	switch r {
	case callv1.Reason_REASON_UNSPECIFIED:
		return ReasonInfo{"none", "No reason was given.", 0, ""}
	case callv1.Reason_REASON_NORMAL:
		return ReasonInfo{"normal", "A party of the answered call hung up.", 200, "Session Terminated"}
	case callv1.Reason_REASON_BUSY:
		return ReasonInfo{"busy", "The called party is in another call.", 486, "Busy Here"}
	case callv1.Reason_REASON_DECLINED:
		return ReasonInfo{"declined", "The called party refused the call.", 603, "Decline"}
	case callv1.Reason_REASON_CANCELLED:
		return ReasonInfo{"cancelled", "The caller gave up before anybody answered.", 487, "Request Terminated"}
	case callv1.Reason_REASON_NO_ANSWER:
		return ReasonInfo{"no-answer", "Nobody answered in time.", 408, "Request Timeout"}
	case callv1.Reason_REASON_ANSWERED_ELSEWHERE:
		// RFC 3326 section 3.1 gives a lost fork's CANCEL this cause and text.
		return ReasonInfo{"answered-elsewhere", "Another terminal of the called party answered.", 200, "Call completed elsewhere"}
	case callv1.Reason_REASON_NOT_FOUND:
		return ReasonInfo{"not-found", "The dialled address names nobody.", 404, "Not Found"}
	case callv1.Reason_REASON_UNREACHABLE:
		return ReasonInfo{"unreachable", "The called party has no terminal that could ring.", 480, "Temporarily Unavailable"}
	case callv1.Reason_REASON_NOT_ACCEPTABLE:
		return ReasonInfo{"not-acceptable", "The two sides have no usable media in common.", 488, "Not Acceptable Here"}
	case callv1.Reason_REASON_FORBIDDEN:
		return ReasonInfo{"forbidden", "The caller may not make this call.", 403, "Forbidden"}
	case callv1.Reason_REASON_MEDIA_FAILED:
		return ReasonInfo{"media-failed", "Media never came up, or was lost.", 500, "Media Failed"}
	case callv1.Reason_REASON_OVERLOAD:
		return ReasonInfo{"overload", "The exchange has no room for this call.", 503, "Service Unavailable"}
	case callv1.Reason_REASON_TERMINAL_LOST:
		return ReasonInfo{"terminal-lost", "A terminal's connection was lost and did not come back in time.", 480, "Terminal Lost"}
	case callv1.Reason_REASON_EXPIRED:
		return ReasonInfo{"expired", "The call reached the longest duration allowed.", 200, "Call Duration Exceeded"}
	case callv1.Reason_REASON_TRANSFERRED:
		return ReasonInfo{"transferred", "The call goes on at another terminal of this side.", 200, "Call Transferred"}
	case callv1.Reason_REASON_INTERNAL:
		return ReasonInfo{"internal", "The exchange failed.", 500, "Server Internal Error"}
	}
	return ReasonInfo{"unknown", "The exchange failed.", 500, "Server Internal Error"}
}

// ReasonName gives a reason's name for logs, ladders and metrics: "no-answer".
func ReasonName(r callv1.Reason) string { return DescribeReason(r).Name }

// ParseReason finds a reason by its name.
func ParseReason(name string) (callv1.Reason, bool) {
	for n := range callv1.Reason_name {
		if r := callv1.Reason(n); ReasonName(r) == name {
			return r, true
		}
	}
	return callv1.Reason_REASON_UNSPECIFIED, false
}

// CodeName gives a code's name for logs and metrics: "rate-limited".
func CodeName(c callv1.Code) string {
	switch c {
	case callv1.Code_CODE_UNSPECIFIED:
		return "none"
	case callv1.Code_CODE_UNSUPPORTED:
		return "unsupported"
	case callv1.Code_CODE_RETRY:
		return "retry"
	case callv1.Code_CODE_REJECTED:
		return "rejected"
	case callv1.Code_CODE_NOT_FOUND:
		return "not-found"
	case callv1.Code_CODE_CONFLICT:
		return "conflict"
	case callv1.Code_CODE_UNAUTHENTICATED:
		return "unauthenticated"
	case callv1.Code_CODE_FORBIDDEN:
		return "forbidden"
	case callv1.Code_CODE_RATE_LIMITED:
		return "rate-limited"
	case callv1.Code_CODE_INVALID:
		return "invalid"
	case callv1.Code_CODE_NOT_ACCEPTABLE:
		return "not-acceptable"
	case callv1.Code_CODE_BUSY:
		return "busy"
	case callv1.Code_CODE_OVERLOAD:
		return "overload"
	case callv1.Code_CODE_REDIRECTED:
		return "redirected"
	case callv1.Code_CODE_GONE:
		return "gone"
	case callv1.Code_CODE_ENDED:
		return "ended"
	case callv1.Code_CODE_INTERNAL:
		return "internal"
	}
	return "unknown"
}
