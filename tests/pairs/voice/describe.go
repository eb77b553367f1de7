package voice

import "strings"

// What a PeerConnection cannot be told, a description says in its place: pion has
// no way to hold a line, so the copy that is sent does, and the voice keeps to it.

// section is a media description, and what stands before the first one.
func sections(sdp string) []string {
	parts := strings.Split(sdp, "\r\nm=")
	for i := 1; i < len(parts); i++ {
		parts[i] = "m=" + parts[i]
	}
	return parts
}

func join(parts []string) string { return strings.Join(parts, "\r\n") }

func kindOf(section string) string {
	kind, _, _ := strings.Cut(strings.TrimPrefix(section, "m="), " ")
	return kind
}

var directions = []string{"sendrecv", "sendonly", "recvonly", "inactive"}

// direction of a section; "inactive" if it is refused.
func direction(section string) string {
	if f := strings.Fields(section); len(f) > 1 && f[1] == "0" {
		return "inactive"
	}
	for _, d := range directions {
		if strings.Contains(section, "\r\na="+d) {
			return d
		}
	}
	return "sendrecv"
}

func sends(d string) bool    { return d == "sendrecv" || d == "sendonly" }
func receives(d string) bool { return d == "sendrecv" || d == "recvonly" }

func directionOf(send, receive bool) string {
	switch {
	case send && receive:
		return "sendrecv"
	case send:
		return "sendonly"
	case receive:
		return "recvonly"
	}
	return "inactive"
}

// limit gives a description whose lines go no further than allow says.
func limit(sdp string, allow func(kind string) (send, receive bool)) string {
	parts := sections(sdp)
	for i := 1; i < len(parts); i++ {
		was := direction(parts[i])
		send, receive := allow(kindOf(parts[i]))
		is := directionOf(sends(was) && send, receives(was) && receive)
		parts[i] = strings.Replace(parts[i], "\r\na="+was, "\r\na="+is, 1)
	}
	return join(parts)
}

// agreed reports whether media of a kind may be sent, after an exchange of two
// descriptions (RFC 3264 section 6.1).
func agreed(kind, local, remote string) bool {
	l, r := sections(local), sections(remote)
	for i := 1; i < len(l) && i < len(r); i++ {
		if kindOf(l[i]) == kind && sends(direction(l[i])) && receives(direction(r[i])) {
			return true
		}
	}
	return false
}

// has reports whether a description has a line of a kind that is not refused.
func has(kind, sdp string) bool {
	for _, s := range sections(sdp)[1:] {
		if f := strings.Fields(s); kindOf(s) == kind && len(f) > 1 && f[1] != "0" {
			return true
		}
	}
	return false
}
