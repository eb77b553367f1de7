package schema_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

var nameForm = regexp.MustCompile(`^[a-z]+(-[a-z]+)*$`)

// The set of reasons is closed: each has a name of its own, a meaning and what
// SIP says.
func TestEveryReasonIsDescribed(t *testing.T) {
	seen := map[string]string{}
	for n, enum := range callv1.Reason_name {
		r := callv1.Reason(n)
		info := schema.DescribeReason(r)
		if other, dup := seen[info.Name]; dup || !nameForm.MatchString(info.Name) || info.Name == "unknown" {
			t.Errorf("%s is named %q (also %s); add it to DescribeReason", enum, info.Name, other)
		}
		seen[info.Name] = enum
		if want := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(enum, "REASON_"), "_", "-")); want != info.Name && n != 0 {
			t.Errorf("%s is named %q, want %q", enum, info.Name, want)
		}
		if !strings.HasSuffix(info.Meaning, ".") {
			t.Errorf("%s has the meaning %q", enum, info.Meaning)
		}
		if n != 0 && (info.SIPStatus < 200 || info.SIPStatus > 699 || info.SIPPhrase == "") {
			t.Errorf("%s has the SIP status %d %q", enum, info.SIPStatus, info.SIPPhrase)
		}
		if back, ok := schema.ParseReason(info.Name); !ok || back != r || schema.ReasonName(r) != info.Name {
			t.Errorf("ParseReason(%q) = %v, %v", info.Name, back, ok)
		}
	}
	if info := schema.DescribeReason(999); info.Name != "unknown" || info.SIPStatus != 500 {
		t.Errorf("a newer reason is described as %+v", info)
	}
	if _, ok := schema.ParseReason("unknown"); ok {
		t.Error(`ParseReason("unknown") finds a reason`)
	}
}

func TestEveryCodeIsNamed(t *testing.T) {
	seen := map[string]bool{}
	for n, enum := range callv1.Code_name {
		name := schema.CodeName(callv1.Code(n))
		want := strings.ToLower(strings.ReplaceAll(strings.TrimPrefix(enum, "CODE_"), "_", "-"))
		if seen[name] || name != want && n != 0 {
			t.Errorf("%s is named %q, want %q; add it to CodeName", enum, name, want)
		}
		seen[name] = true
	}
	if name := schema.CodeName(999); name != "unknown" {
		t.Errorf("a newer code is named %q", name)
	}
}
