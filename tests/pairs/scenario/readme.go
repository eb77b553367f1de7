package scenario

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Words is the last part of the README: all words there are.
func Words() string {
	var b strings.Builder
	words := func(heading string, all map[string]Word) {
		fmt.Fprintf(&b, "| %s | meaning |\n|---|---|\n", heading)
		for _, name := range slices.Sorted(maps.Keys(all)) {
			w := all[name]
			as := name
			if w.Arg != None {
				as += " " + string(w.Arg)
			}
			if w.From {
				as += " from PERSON"
			}
			fmt.Fprintf(&b, "| `%s` | %s", as, w.Says)
			for _, clause := range w.With {
				fmt.Fprintf(&b, "; `with %s`: %s", clause, Clauses[clause])
			}
			b.WriteString(" |\n")
		}
	}
	words("action", Actions)
	b.WriteString("\n")
	words("event", Events)
	b.WriteString("\n| CHANGE | meaning |\n|---|---|\n")
	for _, name := range slices.Sorted(maps.Keys(Changes)) {
		fmt.Fprintf(&b, "| `%s` | %s |\n", name, Changes[name])
	}
	b.WriteString("\nREASON and CODE are the canonical names of `tandem.call.v1`: `no-answer`, `not-found`. DIGITS are of 0-9 * # A-D.\n\n")
	b.WriteString("| theme | heading |\n|---|---|\n")
	for _, t := range Themes {
		fmt.Fprintf(&b, "| `%s` | %s |\n", t.Name, t.Heading)
	}
	return b.String()
}
