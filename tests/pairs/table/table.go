package table

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/tests/pairs/play"
	"github.com/tandem-rtc/tandem/tests/pairs/scenario"
)

// Marks of cells.
const (
	passes = "✓"
	less   = "◐"
	fails  = "✗"
)

// Table is scenarios against ordered pairs.
type Table struct {
	Protocols []*play.Protocol
	Scenarios []*scenario.Scenario
	// Results are by scenario, caller and called, in the order of the lists.
	Results map[[3]int]play.Result
}

// Expected makes the table of a run in which nothing fails, without running it: what
// a pair cannot do, and what it does without, follows from the scenarios and from
// what is known of the protocols.
func Expected(scenarios []*scenario.Scenario, protocols []*play.Protocol) *Table {
	t := &Table{Protocols: protocols, Scenarios: scenarios, Results: map[[3]int]play.Result{}}
	for i, s := range scenarios {
		for a, from := range protocols {
			for b, to := range protocols {
				t.Results[[3]int{i, a, b}] = play.Expect(s, from, to)
			}
		}
	}
	return t
}

const head = `# Pairs of protocols

Every situation that an exchange must handle is a scenario: a text file in [schema/testdata/scenarios](../schema/testdata/scenarios/README.md) that says what each terminal does and hears. Each is played between a caller and a called of every ordered pair of protocols, by clients of the real wires, against the real directory, call state and adapter hosts, with real media where the scenario is about media. Afterwards everybody must have heard exactly what the file says, the journal must hold the same, and nothing may be left over. This page is written by that run: ` + "`make pairs`" + `.

| mark | meaning |
|---|---|
| ` + passes + ` | passes |
| ` + less + ` | passes, in the way that the file gives for protocols that lack something |
| a letter | cannot: the reason stands below the table |

A row's columns are the caller's protocol; the marks in them, from left to right, are the called's: `

// Markdown writes the table as a page.
func (t *Table) Markdown() string {
	var b strings.Builder
	b.WriteString(head)
	var names []string
	for _, p := range t.Protocols {
		names = append(names, p.Name)
	}
	b.WriteString(strings.Join(names, ", ") + ".\n")
	for _, theme := range scenario.Themes {
		t.theme(&b, theme, names)
	}
	return b.String()
}

// reason is why some cells of a table cannot be played, and whose doing that is.
type reason struct {
	why string
	who []string
}

func (t *Table) theme(b *strings.Builder, theme scenario.Theme, names []string) {
	var reasons []reason // in the order of their letters
	var rows strings.Builder
	for i, s := range t.Scenarios {
		if s.Theme != theme.Name {
			continue
		}
		fmt.Fprintf(&rows, "| [%s](../schema/testdata/scenarios/%s%s) |", s.Title, s.Name, scenario.Ending)
		for a := range t.Protocols {
			var marks []string
			for c := range t.Protocols {
				var mark string
				mark, reasons = markOf(t.Results[[3]int{i, a, c}], reasons)
				marks = append(marks, mark)
			}
			fmt.Fprintf(&rows, " %s |", strings.Join(marks, " "))
		}
		rows.WriteString("\n")
	}
	if rows.Len() == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n| scenario | %s → |\n|---%s|\n%s", theme.Heading, strings.Join(names, " → | "),
		strings.Repeat("|---", len(names)), rows.String())
	for i, r := range reasons {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(b, "- **%s** (%s): %s.\n", letter(i), strings.Join(r.who, ", "), r.why)
	}
}

func markOf(r play.Result, reasons []reason) (string, []reason) {
	switch {
	case r.Err != nil:
		return fails, reasons
	case r.Cannot != "":
		i := slices.IndexFunc(reasons, func(x reason) bool { return x.why == r.Cannot })
		if i < 0 {
			i = len(reasons)
			reasons = append(reasons, reason{why: r.Cannot})
		}
		if x := &reasons[i]; !slices.Contains(x.who, r.Who.Name) {
			x.who = append(x.who, r.Who.Name)
		}
		return letter(i), reasons
	case r.Less:
		return less, reasons
	}
	return passes, reasons
}

func letter(i int) string { return string(rune('a' + i)) }
