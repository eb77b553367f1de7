package supply

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"

	"github.com/google/licensecheck"
)

// licenceFile are the names that licences have.
var licenceFile = regexp.MustCompile(`(?i)^(un)?(licen[cs]e|copying)([-_.].*)?$`)

// minCoverage is the share of a licence file, in percent, that must be known
// licences' text. The rest is copyright lines and the like.
const minCoverage = 60

// licencesOf gives the licences that lie beside packages, and in the directories
// between them and their module's.
func licencesOf(module string, packages []string) ([]string, error) {
	found := map[string]bool{}
	seen := map[string]bool{}
	for _, dir := range packages {
		for ; !seen[dir]; dir = filepath.Dir(dir) {
			seen[dir] = true
			files, err := matching(dir, licenceFile)
			if err != nil {
				return nil, err
			}
			for _, name := range files {
				ids, err := classify(name)
				if err != nil {
					return nil, err
				}
				for _, id := range ids {
					found[id] = true
				}
			}
			if dir == module {
				break
			}
		}
	}
	if len(found) == 0 {
		return nil, errors.New("has no licence")
	}
	return sorted(found), nil
}

// matching lists a directory's files whose names match one of some patterns, Go
// code apart.
func matching(dir string, patterns ...*regexp.Regexp) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		fits := func(p *regexp.Regexp) bool { return p.MatchString(e.Name()) }
		if e.Type().IsRegular() && filepath.Ext(e.Name()) != ".go" && slices.ContainsFunc(patterns, fits) {
			names = append(names, filepath.Join(dir, e.Name()))
		}
	}
	return names, nil
}

// classify gives the SPDX identifiers of the licences in a file.
func classify(name string) ([]string, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	cover := licensecheck.Scan(text)
	found := map[string]bool{}
	for _, m := range cover.Match {
		if !m.IsURL {
			found[m.ID] = true
		}
	}
	if cover.Percent < minCoverage || len(found) == 0 {
		return nil, fmt.Errorf("%s: only %.0f %% of it are known licences: %q", name, cover.Percent, sorted(found))
	}
	return sorted(found), nil
}

func sorted(set map[string]bool) []string {
	out := make([]string, 0, len(set))
	for s := range set {
		out = append(out, s)
	}
	slices.Sort(out)
	return out
}

// Compatible licences let an Apache-2.0 program be linked from, and passed on
// with, what is under them. MPL-2.0 binds the files that are under it and no
// others, as long as their source can be had.
var compatible = []string{
	"0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC", "MIT", "MPL-2.0", "Unlicense", "Zlib",
}

// Incompatible gives the licences that are not known to fit.
func Incompatible(licences []string) (out []string) {
	for _, l := range licences {
		if !slices.Contains(compatible, l) {
			out = append(out, l)
		}
	}
	return out
}
