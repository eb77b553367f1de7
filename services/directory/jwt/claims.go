package jwt

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
)

// maxCovers bounds the numbers that one token may list; there is room for no
// more in a token.
const maxCovers = 1024

// claims are a token's, as JSON decodes them.
type claims map[string]any

// get gives a claim by its name, or by a path with dots where no claim has that
// name (namespaced ones are addresses, with dots in them).
func (c claims) get(name string) any {
	if name == "" {
		return nil
	}
	if v, ok := c[name]; ok {
		return v
	}
	var at any = map[string]any(c)
	for part := range strings.SplitSeq(name, ".") {
		m, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = m[part]
	}
	return at
}

// has reports whether a claim is there, null apart.
func (c claims) has(name string) bool { return c.get(name) != nil }

// text gives a claim that is one text; a whole number counts as its digits,
// since some issuers write telephone numbers so.
func (c claims) text(name string) string { return textOf(c.get(name)) }

func textOf(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		if v == math.Trunc(v) && v >= 0 && v < 1<<53 {
			return strconv.FormatFloat(v, 'f', 0, 64)
		}
	}
	return ""
}

// words gives a claim that is a list: of texts, or one text with spaces between
// them (RFC 8693 section 4.2).
func (c claims) words(name string) []string {
	v := c.get(name)
	list, ok := v.([]any)
	if !ok {
		return strings.Fields(textOf(v))
	}
	var out []string
	for _, item := range list {
		if s := textOf(item); s != "" {
			out = append(out, s)
		}
	}
	return out
}

// number gives the canonical address of a telephone number written with or
// without plus sign; "" if it is none.
func number(s string) string {
	a, err := schema.ParseAddress("tel:+" + strings.TrimPrefix(strings.TrimPrefix(s, "tel:"), "+"))
	if err != nil {
		return ""
	}
	return a.String()
}

// numbers gives those of a list that are numbers.
func numbers(words []string) (out []string) {
	for _, w := range words[:min(len(words), maxCovers)] {
		if n := number(w); n != "" && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}
