package supply

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// noticeFile is what the Apache License 2.0 wants passed on beside itself.
var noticeFile = regexp.MustCompile(`(?i)^notice([-_.].*)?$`)

// Notices gives the licence texts of everything in the program, in one file, each
// text once.
func Notices(modules []Module) (string, error) {
	goroot, err := goTool(".", "env", "GOROOT")
	if err != nil {
		return "", err
	}
	standard, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(goroot)), "LICENSE"))
	if err != nil {
		return "", fmt.Errorf("the standard library's licence: %w", err)
	}
	var all texts
	all.add("Go's standard library", standard)
	for _, m := range modules {
		if !m.Linked {
			continue
		}
		if err := all.addModule(m); err != nil {
			return "", err
		}
	}
	return all.String(), nil
}

// texts are licence texts with what is under each, in the order that they came.
type texts struct {
	order  []string
	titles map[string][]string
}

func (x *texts) add(title string, text []byte) {
	if x.titles == nil {
		x.titles = map[string][]string{}
	}
	// Some files differ in line ends and blanks only.
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(line, " \t\r")
	}
	body := strings.Join(lines, "\n")
	if x.titles[body] == nil {
		x.order = append(x.order, body)
	}
	x.titles[body] = append(x.titles[body], title)
}

func (x *texts) addModule(m Module) error {
	seen := map[string]bool{}
	for _, dir := range m.packages {
		for ; !seen[dir]; dir = filepath.Dir(dir) {
			seen[dir] = true
			names, err := matching(dir, licenceFile, noticeFile)
			if err != nil {
				return err
			}
			for _, name := range names {
				text, err := os.ReadFile(name)
				if err != nil {
					return err
				}
				within, err := filepath.Rel(m.dir, name)
				if err != nil {
					return err
				}
				x.add(m.Path+" "+m.Version+", "+filepath.ToSlash(within), text)
			}
			if dir == m.dir {
				break
			}
		}
	}
	return nil
}

// String gives everything, for people to read.
func (x *texts) String() string {
	var b strings.Builder
	b.WriteString("Licences of the parts of Tandem. Tandem itself is under the Apache License 2.0.\n")
	for _, body := range x.order {
		fmt.Fprintf(&b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 72), strings.Join(x.titles[body], "\n"), body)
	}
	return b.String()
}
