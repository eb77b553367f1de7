package play

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/tests/pairs/scenario"
)

// callerOf is who calls as the wire shows it; "" if the client does not tell.
func callerOf(c kittest.Call) string {
	switch c := c.(type) {
	case interface{ Caller() sylkrtctest.Identity }:
		return c.Caller().URI
	case interface{ From() string }:
		return c.From()
	}
	return ""
}

// shownAs are the ways in which a wire may show a person: any address that the
// directory knows.
func (st *stage) shownAs(person string) []string {
	a := st.who[person]
	all := []string{"sip:" + a.AOR}
	if a.MSISDN != "" {
		all = append(all, "tel:"+a.MSISDN)
	} else {
		all = append(all, st.x.Aliases(a.Subscriber)...)
	}
	if h := st.x.Matrix; h != nil {
		all = append(all, "matrix:u/"+matrixtest.LocalpartOf(a)+":"+h.Name)
	}
	for _, x := range slices.Clone(all) {
		_, bare, _ := strings.Cut(x, ":")
		all = append(all, bare)
	}
	return all
}

// dialled is the account that a person is called by: one without a number by the
// number that the directory gave it.
func (st *stage) dialled(person string) kittest.Account {
	a := st.who[person]
	if a.MSISDN == "" {
		for _, alias := range st.x.Aliases(a.Subscriber) {
			if number, ok := strings.CutPrefix(alias, "tel:"); ok {
				a.MSISDN = number
			}
		}
	}
	return a
}

// missed waits for the notice of a call that was missed.
func (t *terminal) missed(ctx context.Context, s scenario.Step) error {
	c, ok := t.client.(interface {
		Missed(ctx context.Context) (sylkrtctest.Identity, error)
	})
	if !ok {
		return errors.New("the client hears of no missed calls")
	}
	from, err := c.Missed(ctx)
	if err != nil {
		return fmt.Errorf("it was not told: %w", err)
	}
	if want := t.st.shownAs(s.Arg); !slices.Contains(want, from.URI) {
		return fmt.Errorf("it is told that %q called, and %s is %q", from.URI, s.Arg, want)
	}
	return nil
}
