package pairs_test

import (
	"flag"
	"os"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/services/callstate"
	"github.com/tandem-rtc/tandem/tests/pairs/exchange"
	"github.com/tandem-rtc/tandem/tests/pairs/play"
	"github.com/tandem-rtc/tandem/tests/pairs/scenario"
	"github.com/tandem-rtc/tandem/tests/pairs/table"
)

var (
	update   = flag.Bool("update", false, "write docs/pairs.md")
	cells    = flag.String("cells", "", "play only what matches: scenario/caller/called")
	patience = flag.Duration("patience", 45*time.Second, "how long to wait for what a line says")
)

const (
	scenarios = "../../schema/testdata/scenarios"
	page      = "../../docs/pairs.md"
)

// TestMain lets as many cells run side by side as their groups allow: they wait for
// each other's terminals, not for a processor.
func TestMain(m *testing.M) {
	flag.Parse()
	if err := flag.Set("test.parallel", "64"); err != nil {
		os.Exit(2)
	}
	os.Exit(m.Run())
}

// group is cells that share an exchange.
type group struct {
	name                 string
	real, short, limited bool
	// atOnce is how many of its cells run side by side.
	atOnce int
}

func groups() []group {
	return []group{
		{name: "described", atOnce: 32}, {name: "described, short", short: true, atOnce: 12},
		{name: "described, limited", limited: true, atOnce: 6},
		{name: "media", real: true, atOnce: 10}, {name: "media, short", real: true, short: true, atOnce: 8},
	}
}

// limited: few calls.
func limited(c *callstate.Config) { c.MaxCallsPerSubscriber, c.CallsPerMinute = 2, 3 }

// short times: what a scenario waits through, and no less than a busy machine needs
// to get there, with a homeserver that all cells share.
func short(c *callstate.Config) {
	c.RingTimeout, c.Grace, c.ReofferTimeout = 12*time.Second, 5*time.Second, 3*time.Second
}

// TestPairs plays the scenarios, and requires that the page says how it went.
func TestPairs(t *testing.T) {
	all := read(t)
	only := regexp.MustCompile(*cells)
	protocols := play.Protocols()
	result := &table.Table{Protocols: protocols, Scenarios: all, Results: map[[3]int]play.Result{}}
	var mu sync.Mutex
	for _, g := range groups() {
		t.Run(g.name, func(t *testing.T) {
			before := exchange.Goroutines()
			x := exchange.Start(t, g.options(t))
			slots := make(chan struct{}, g.atOnce)
			t.Run("cells", func(t *testing.T) {
				for i, s := range all {
					if s.Real != g.real || s.Short != g.short || s.Limited != g.limited {
						continue
					}
					for a, from := range protocols {
						for b, to := range protocols {
							name := s.Name + "/" + from.Name + "/" + to.Name
							if !only.MatchString(name) {
								continue
							}
							t.Run(name, func(t *testing.T) {
								t.Parallel()
								slots <- struct{}{}
								defer func() { <-slots }()
								r := play.Play(t.Context(), x, s, from, to, *patience)
								if r.Err != nil {
									t.Error(r.Err)
								}
								mu.Lock()
								defer mu.Unlock()
								result.Results[[3]int{i, a, b}] = r
							})
						}
					}
				}
			})
			nothingLeft(t, x, before)
		})
	}
	if *cells == "" {
		current(t, result.Markdown())
	}
}

func read(t *testing.T) []*scenario.Scenario {
	t.Helper()
	all, err := scenario.ReadAll(os.DirFS(scenarios))
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// current requires that the page is as it should be, or makes it so.
func current(t *testing.T, want string) {
	t.Helper()
	if *update && !t.Failed() {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil { //nolint:gosec // a page of the repository
			t.Fatal(err)
		}
	}
	is, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(is) != want {
		t.Error("docs/pairs.md is not what this run found: run 'make pairs'")
	}
}

// TestPageIsCurrent requires, without playing anything, that the page has every
// scenario and says of each pair what the tables say.
func TestPageIsCurrent(t *testing.T) {
	if !*update {
		current(t, table.Expected(read(t), play.Protocols()).Markdown())
	}
}
