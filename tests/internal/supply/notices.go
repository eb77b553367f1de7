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

// Notices gives the licence texts of everything in the program, in one file.
func Notices(modules []Module) (string, error) {
	var b strings.Builder
	b.WriteString("Licences of the parts of Tandem. Tandem itself is under the Apache License 2.0.\n")
	goroot, err := goTool(".", "env", "GOROOT")
	if err != nil {
		return "", err
	}
	standard, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(goroot)), "LICENSE"))
	if err != nil {
		return "", fmt.Errorf("the standard library's licence: %w", err)
	}
	write(&b, "Go's standard library", standard)
	for _, m := range modules {
		if !m.Linked {
			continue
		}
		seen := map[string]bool{}
		for _, dir := range m.packages {
			for ; !seen[dir]; dir = filepath.Dir(dir) {
				seen[dir] = true
				names, err := matching(dir, licenceFile, noticeFile)
				if err != nil {
					return "", err
				}
				for _, name := range names {
					text, err := os.ReadFile(name)
					if err != nil {
						return "", err
					}
					within, err := filepath.Rel(m.dir, name)
					if err != nil {
						return "", err
					}
					write(&b, m.Path+" "+m.Version+", "+filepath.ToSlash(within), text)
				}
				if dir == m.dir {
					break
				}
			}
		}
	}
	return b.String(), nil
}

func write(b *strings.Builder, title string, text []byte) {
	fmt.Fprintf(b, "\n%s\n%s\n\n%s\n", strings.Repeat("=", 72), title, strings.TrimSpace(string(text)))
}
