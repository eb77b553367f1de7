package scenario

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
)

// Ending is that of a scenario's file.
const Ending = ".txt"

// maxLines and maxLine bound a file.
const (
	maxLines = 200
	maxLine  = 200
)

// ReadAll reads every scenario of a directory, in the order of themes and names.
func ReadAll(dir fs.FS) ([]*Scenario, error) {
	names, err := fs.Glob(dir, "*"+Ending)
	if err != nil {
		return nil, fmt.Errorf("scenarios: %w", err)
	}
	var out []*Scenario
	titles := map[string]string{}
	for _, name := range names {
		text, err := fs.ReadFile(dir, name)
		if err != nil {
			return nil, fmt.Errorf("scenarios: %w", err)
		}
		s, err := Parse(strings.TrimSuffix(path.Base(name), Ending), string(text))
		if err != nil {
			return nil, err
		}
		if other := titles[s.Title]; other != "" {
			return nil, fmt.Errorf("%s: has the title of %s", name, other)
		}
		titles[s.Title] = name
		out = append(out, s)
	}
	slices.SortStableFunc(out, func(a, b *Scenario) int { return themeOf(a.Theme) - themeOf(b.Theme) })
	return out, nil
}

func themeOf(name string) int {
	return slices.IndexFunc(Themes, func(t Theme) bool { return t.Name == name })
}

// parser reads one file from its first line to its last.
type parser struct {
	s     *Scenario
	lines []string
	at    int // the next line
}

// Parse reads a scenario. An error names the file and the line.
func Parse(name, text string) (*Scenario, error) {
	p := &parser{s: &Scenario{Name: name}, lines: strings.Split(strings.TrimSuffix(text, "\n"), "\n")}
	if err := p.file(text); err != nil {
		return nil, fmt.Errorf("%s%s:%d: %w", name, Ending, min(max(p.at, 1), len(p.lines)), err)
	}
	return p.s, nil
}

func (p *parser) file(text string) error {
	if !strings.HasSuffix(text, "\n") {
		return fmt.Errorf("the last line is not ended")
	}
	if len(p.lines) > maxLines {
		return fmt.Errorf("more than %d lines", maxLines)
	}
	for i, l := range p.lines {
		if len(l) > maxLine || strings.ContainsAny(l, "\t\r") || strings.HasSuffix(l, " ") {
			p.at = i + 1
			return fmt.Errorf("a tab, a carriage return, a blank at the end, or more than %d bytes", maxLine)
		}
	}
	for _, part := range []func() error{p.head, p.headers, p.steps, p.records} {
		if err := part(); err != nil {
			return err
		}
	}
	return p.check()
}

// next gives the next line, without its indentation; ok is false at the end.
func (p *parser) next() (line string, ok bool) {
	if p.at >= len(p.lines) {
		return "", false
	}
	line = p.lines[p.at]
	p.at++
	return strings.TrimLeft(line, " "), true
}

// peek gives the next line that is neither empty nor for people only, without
// taking it.
func (p *parser) peek() (line string, ok bool) {
	for p.at < len(p.lines) {
		line = strings.TrimLeft(p.lines[p.at], " ")
		if line != "" && !strings.HasPrefix(line, "#") {
			return line, true
		}
		p.at++
	}
	return "", false
}

// head reads the title and the paragraph.
func (p *parser) head() error {
	title, _ := p.next()
	var ok bool
	if p.s.Title, ok = strings.CutPrefix(title, "# "); !ok || p.s.Title == "" || strings.HasSuffix(p.s.Title, ".") {
		return fmt.Errorf("the first line is a title: %q", "# Somebody calls somebody")
	}
	if blank, ok := p.next(); !ok || blank != "" {
		return fmt.Errorf("an empty line follows the title")
	}
	var prose []string
	for {
		line, ok := p.next()
		if !ok || line == "" {
			break
		}
		prose = append(prose, line)
	}
	if len(prose) == 0 {
		return fmt.Errorf("a paragraph for people follows the title")
	}
	p.s.Prose = strings.Join(prose, " ")
	return nil
}

// headers reads the lines before the first step.
func (p *parser) headers() error {
	p.s.Terminals = []Terminal{{Name: "alice", Like: "alice"}, {Name: "bob", Like: "bob"}}
	for {
		line, ok := p.peek()
		key, value, isHeader := strings.Cut(line, ": ")
		if !ok || !isHeader || key == "record" || key == "talk" {
			return nil
		}
		p.at++
		if err := p.header(key, value); err != nil {
			return err
		}
	}
}

func (p *parser) header(key, value string) error {
	switch key {
	case "theme":
		if p.s.Theme != "" || themeOf(value) < 0 {
			return fmt.Errorf("no theme, or a second one: %q", value)
		}
		p.s.Theme = value
		return nil
	case "media":
		p.s.Real = true
		return oneOf(value, "real")
	case "times":
		p.s.Short = true
		return oneOf(value, "short")
	case "limits":
		p.s.Limited = true
		return oneOf(value, "low")
	case "terminal":
		return p.terminal(value)
	case "person":
		return p.person(value)
	case "needs":
		c, err := parseCondition(strings.Fields(value))
		p.s.Needs = append(p.s.Needs, c)
		return err
	}
	return fmt.Errorf("no such header: %q", key)
}

func oneOf(value string, values ...string) error {
	if !slices.Contains(values, value) {
		return fmt.Errorf("%q is none of %q", value, values)
	}
	return nil
}

// terminal reads "bob2 like alice" or "bob2 like alice, later".
func (p *parser) terminal(value string) error {
	value, later := strings.CutSuffix(value, ", later")
	f := strings.Fields(value)
	if len(f) != 3 || f[1] != "like" || f[2] != "alice" && f[2] != "bob" || !validTerminal(f[0]) {
		return fmt.Errorf("a terminal is %q, perhaps with %q", "bob2 like alice", ", later")
	}
	t := Terminal{Name: f[0], Like: f[2], Later: later}
	for i, old := range p.s.Terminals {
		if old.Name != t.Name {
			continue
		}
		// alice and bob are always there, but may come later.
		if i > 1 || old.Later || !later || t.Like != old.Like {
			return fmt.Errorf("a second terminal %q", t.Name)
		}
		p.s.Terminals[i] = t
		return nil
	}
	p.s.Terminals = append(p.s.Terminals, t)
	return nil
}

// person reads "alice has no number" or "alice's phone is dave".
func (p *parser) person(value string) error {
	f := strings.Fields(value)
	who := p.known(strings.TrimSuffix(f[0], "'s"))
	switch {
	case who == nil:
		return fmt.Errorf("%q is no person's name", f[0])
	case len(f) == 4 && slices.Equal(f[1:], []string{"has", "no", "number"}):
		who.NoNumber = true
		return nil
	case len(f) == 4 && strings.HasSuffix(f[0], "'s") && f[1] == "phone" && f[2] == "is" && validName(f[3]):
		who.Phone = f[3]
		return nil
	}
	return fmt.Errorf("a person %q or has one: %q", "has no number", "bob's phone is dave")
}

// known gives a person, made known now if it was not.
func (p *parser) known(name string) *Person {
	if !validName(name) || name == Nobody {
		return nil
	}
	for i := range p.s.People {
		if p.s.People[i].Name == name {
			return &p.s.People[i]
		}
	}
	p.s.People = append(p.s.People, Person{Name: name})
	return &p.s.People[len(p.s.People)-1]
}

func validName(s string) bool {
	if s == "" || len(s) > 16 {
		return false
	}
	for _, c := range s {
		if c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

func validTerminal(s string) bool {
	name := personOf(s)
	return validName(name) && name != Nobody && len(s)-len(name) <= 1
}
