package media

import (
	"os"
	"regexp"
	"slices"
	"testing"
)

// Every name is a counter that is listed, but for a present value and a time.
func TestCountersAreListed(t *testing.T) {
	text, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, m := range regexp.MustCompile(`(?m)^\tMetric\w+ += "(\w+)"$`).FindAllStringSubmatch(string(text), -1) {
		if m[1] != MetricLegs && m[1] != MetricConnect {
			want = append(want, m[1])
		}
	}
	got := Counters()
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) || len(want) < 10 {
		t.Errorf("listed are %q, named are %q", got, want)
	}
}
