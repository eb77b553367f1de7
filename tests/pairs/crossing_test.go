package pairs_test

import (
	"crypto/rand"
	"slices"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	"github.com/tandem-rtc/tandem/tests/pairs/exchange"
	"github.com/tandem-rtc/tandem/tests/pairs/play"
)

// matrixClients are the kinds of Matrix clients as far as calls that cross go: those
// that leave it to others, and those that go by the lesser of two names, where their
// own is always the lesser or always the greater.
func matrixClients() []*play.Protocol {
	settles := func(first string) func(*matrixtest.Options) {
		return func(o *matrixtest.Options) {
			o.Glare = func(string) (string, error) { return kittest.SDP("settled"), nil }
			o.CallID = func() string { return first + strings.ToLower(rand.Text()) }
		}
	}
	plain := []*play.Protocol{play.Matrix(matrixtest.V0, nil), play.Matrix(matrixtest.V1, nil)}
	lesser, greater := play.Matrix(matrixtest.V1, settles("-")), play.Matrix(matrixtest.V1, settles("~"))
	lesser.Name, greater.Name = "Matrix 1, lesser", "Matrix 1, greater"
	return append(plain, lesser, greater)
}

// TestMatrixCallsThatCross plays the scenarios about that between all kinds of Matrix
// clients, whether they settle it by themselves or not: there is always one call.
func TestMatrixCallsThatCross(t *testing.T) {
	before := exchange.Goroutines()
	x := exchange.Start(t, group{name: "crossing"}.options(t))
	slots := make(chan struct{}, 8)
	t.Run("cells", func(t *testing.T) {
		for _, s := range read(t) {
			if s.Theme != "crossing" {
				continue
			}
			for i, r := range s.Records { // a call that its own client takes back is none
				s.Records[i].Maybe = slices.Contains(r.Reasons, "redirected")
			}
			for _, from := range matrixClients() {
				for _, to := range matrixClients() {
					t.Run(s.Name+"/"+from.Name+"/"+to.Name, func(t *testing.T) {
						t.Parallel()
						slots <- struct{}{}
						defer func() { <-slots }()
						if r := play.Play(t.Context(), x, s, from, to, *patience); r.Err != nil || r.Cannot != "" {
							t.Error(r.Err, r.Cannot)
						}
					})
				}
			}
		}
	})
	nothingLeft(t, x, before)
}
