package schema_test

import (
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// An error keeps code, message and field on its way over the bus.
func TestErrorsTravel(t *testing.T) {
	e := schema.Invalid("offer.sdp", "longer than %d bytes", 7)
	back := schema.FromProto(schema.ToProto(fmt.Errorf("sending: %w", e)))
	var got *schema.Error
	if !errors.As(back, &got) || got.Code != e.Code || got.Field != e.Field || got.Message != e.Message {
		t.Errorf("%#v becomes %#v", e, back)
	}
	if schema.ToProto(nil) != nil || schema.FromProto(nil) != nil || (*schema.Error)(nil).Proto() != nil {
		t.Error("nil does not stay nil")
	}
	if p := schema.ToProto(io.EOF); p.GetCode() != callv1.Code_CODE_INTERNAL {
		t.Errorf("an error without a code travels as %v", p)
	}
}

func TestErrorsHaveCodesAndCauses(t *testing.T) {
	e := schema.Errorf(callv1.Code_CODE_RETRY, "read: %w", io.EOF)
	if !errors.Is(e, io.EOF) || schema.CodeOf(fmt.Errorf("x: %w", e)) != callv1.Code_CODE_RETRY {
		t.Errorf("%v loses its code or its cause", e)
	}
	if schema.CodeOf(nil) != callv1.Code_CODE_UNSPECIFIED || schema.CodeOf(io.EOF) != callv1.Code_CODE_INTERNAL {
		t.Error("nil or a foreign error has another code than documented")
	}
	if got, want := e.Error(), "CODE_RETRY: read: EOF"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got, want := schema.Invalid("to", "missing").Error(), "CODE_INVALID: to: missing"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestCleanText(t *testing.T) {
	for _, c := range []struct {
		in    string
		limit int
		want  string
	}{
		{"plain", 10, "plain"},
		{"a\r\nb\x1b[2J\x7f", 20, "a  b [2J "},
		{"a\u0085b", 20, "a b"},
		{"a\xffb", 20, "a\ufffdb"},
		{"üüü", 3, "ü"},
		{"abc", 0, ""},
		{"abc", -1, ""},
	} {
		if got := schema.CleanText(c.in, c.limit); got != c.want {
			t.Errorf("CleanText(%q, %d) = %q, want %q", c.in, c.limit, got, c.want)
		}
	}
}
