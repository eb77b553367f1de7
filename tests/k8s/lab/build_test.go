package lab

import (
	"strings"
	"testing"
)

func TestStandalone(t *testing.T) {
	mod := `// comment
module k8s.io/kubernetes

go 1.26.0

godebug default=go1.26

godebug (
	a=1
)

require k8s.io/api v0.0.0

replace (
	k8s.io/api => ./staging/src/k8s.io/api
)
`
	got := string(standalone([]byte(mod)))
	for _, want := range []string{
		"module tandem.test/kubernetes\n", "require k8s.io/kubernetes v" + kubernetes + "\n", "require k8s.io/api v0.0.0\n",
		"\tk8s.io/api => k8s.io/api v0." + strings.TrimPrefix(kubernetes, "1.") + "\n", "go 1.26.0\n",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
	for _, bad := range []string{"godebug", "a=1", "./staging", "module k8s.io"} {
		if strings.Contains(got, bad) {
			t.Errorf("%q in\n%s", bad, got)
		}
	}
}
