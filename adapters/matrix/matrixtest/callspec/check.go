package callspec

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Check says what is wrong with a call event's content; nil if nothing is. Types
// that are no call events have nothing that could be wrong.
func Check(eventType string, content json.RawMessage) error {
	if !IsCall(eventType) {
		return nil
	}
	e, known := events[eventType]
	if !known {
		return fmt.Errorf("%s: no such event in the specification", eventType)
	}
	var c map[string]any
	if err := json.Unmarshal(content, &c); err != nil {
		return fmt.Errorf("%s: %w", eventType, err)
	}
	version, err := versionOf(c["version"])
	if err == nil && version < e.since {
		err = fmt.Errorf("a call of version %d has no such event", version)
	}
	errs := []error{err}
	for _, f := range slices.Concat(common, e.fields) {
		errs = append(errs, f.check(c, version))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("%s %s: %w", eventType, content, err)
	}
	return nil
}

// IsCall reports whether events of this type are about calls.
func IsCall(eventType string) bool {
	return strings.HasPrefix(eventType, "m.call.") || eventType == Identity
}

// versionOf reads a version strictly: integer 0 or text "1".
func versionOf(v any) (int, error) {
	switch {
	case v == float64(0):
		return 0, nil
	case v == "1":
		return 1, nil
	}
	return 1, fmt.Errorf(`version is %#v, not 0 or "1"`, v)
}

func (f field) check(content map[string]any, version int) error {
	v, there := content[f.name]
	switch {
	case there && version < f.since:
		return fmt.Errorf("%s: a call of version %d has none", f.name, version)
	case !there && (f.optional || version < f.since):
		return nil
	case !there:
		return fmt.Errorf("%s is missing", f.name)
	}
	if err := f.is(v); err != nil {
		return fmt.Errorf("%s: %w", f.name, err)
	}
	return nil
}

var (
	nameForm   = regexp.MustCompile(`^[0-9A-Za-z._~-]{1,255}$`)
	userIDForm = regexp.MustCompile(`^@[\x21-\x39\x3b-\x7e]*:[0-9A-Za-z.:\[\]-]+$`)
)

// is says whether a value is of the field's kind.
func (f field) is(v any) error {
	s, isText := v.(string)
	ok := false
	switch f.kind {
	case text:
		ok = isText && s != ""
	case name:
		ok = isText && nameForm.MatchString(s)
	case userID:
		ok = isText && len(s) <= 255 && userIDForm.MatchString(s)
	case reason:
		ok = isText && slices.Contains(reasons, s)
	case duration:
		n, isNumber := v.(float64)
		ok = isNumber && n > 0 && n == float64(int64(n))
	case bits:
		ok = each(v, func(x any) bool { _, b := x.(bool); return b })
	case streams:
		ok = each(v, isStream)
	case media:
		return isDescription(v, f.types)
	case list:
		return areCandidates(v)
	case identity:
		return isIdentity(v)
	}
	if !ok {
		return fmt.Errorf("%#v is not %s", v, f.kind)
	}
	return nil
}

// each reports whether v is an object whose values are all as f says.
func each(v any, f func(any) bool) bool {
	o, ok := v.(map[string]any)
	for _, x := range o {
		ok = ok && f(x)
	}
	return ok
}

func isStream(v any) bool {
	o, ok := v.(map[string]any)
	purpose := o["purpose"]
	if !ok || purpose != "m.usermedia" && purpose != "m.screenshare" {
		return false
	}
	for _, name := range []string{"audio_muted", "video_muted"} {
		if x, there := o[name]; there {
			if _, b := x.(bool); !b {
				return false
			}
		}
	}
	return true
}

func isDescription(v any, types []string) error {
	o, _ := v.(map[string]any)
	t, _ := o["type"].(string)
	sdp, _ := o["sdp"].(string)
	switch {
	case !slices.Contains(types, t):
		return fmt.Errorf("type is %#v, not one of %q", o["type"], types)
	case !strings.HasPrefix(sdp, "v=0\r\n") || !strings.HasSuffix(sdp, "\r\n"):
		return fmt.Errorf("sdp is no session description: %.40q", sdp)
	}
	return nil
}

func areCandidates(v any) error {
	all, ok := v.([]any)
	if !ok || len(all) == 0 {
		return errors.New("no list, or an empty one")
	}
	for _, x := range all {
		o, _ := x.(map[string]any)
		line, isText := o["candidate"].(string)
		_, mid := o["sdpMid"].(string)
		index, isNumber := o["sdpMLineIndex"].(float64)
		switch {
		case !isText || line != "" && !strings.HasPrefix(line, "candidate:"):
			return fmt.Errorf("%#v is no candidate", x)
		case line != "" && !mid && !isNumber:
			return fmt.Errorf("%#v says neither sdpMid nor sdpMLineIndex", x)
		case isNumber && (index < 0 || index != float64(int(index))):
			return fmt.Errorf("sdpMLineIndex is %v", index)
		}
	}
	return nil
}

func isIdentity(v any) error {
	o, ok := v.(map[string]any)
	if !ok {
		return fmt.Errorf("%#v is no object", v)
	}
	for _, name := range []string{"id", "display_name", "avatar_url"} {
		x, there := o[name]
		s, isText := x.(string)
		switch {
		case there && !isText:
			return fmt.Errorf("%s is %#v", name, x)
		case there && name == "avatar_url" && !strings.HasPrefix(s, "mxc://"):
			return fmt.Errorf("avatar_url %q is not mxc://", s)
		}
	}
	return nil
}
