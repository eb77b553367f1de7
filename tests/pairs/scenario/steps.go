package scenario

import (
	"fmt"
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// maxDepth bounds blocks in blocks.
const maxDepth = 3

func (p *parser) steps() error {
	var err error
	p.s.Steps, _, err = p.block(0)
	return err
}

// block reads steps until the end of the block, whose last line it takes:
// "end" or "else"; in depth 0 until the first record, which it leaves.
func (p *parser) block(depth int) (steps []Step, last string, err error) {
	if depth > maxDepth {
		return nil, "", fmt.Errorf("blocks in blocks in blocks")
	}
	for {
		line, ok := p.peek()
		switch {
		case depth == 0 && (!ok || strings.HasPrefix(line, "record: ")):
			return steps, "", nil
		case !ok:
			return nil, "", fmt.Errorf("a block is not ended")
		}
		p.at++
		if depth > 0 && (line == "end" || line == "else") {
			return steps, line, nil
		}
		more, err := p.step(line, depth)
		if err != nil {
			return nil, "", err
		}
		steps = append(steps, more...)
	}
}

// step reads one line, and the block that it begins. "talk:" is several steps.
func (p *parser) step(line string, depth int) ([]Step, error) {
	at := p.at
	f := strings.Fields(line)
	switch {
	case strings.HasPrefix(line, "talk: "):
		return p.talk(f[1:])
	case line == "together":
		inner, last, err := p.block(depth + 1)
		if err == nil && last != "end" {
			err = fmt.Errorf("nothing else can follow %q", "together")
		}
		return []Step{{Line: at, Kind: Together, Steps: inner}}, err
	case f[0] == "if":
		c, err := parseCondition(f[1:])
		if err != nil {
			return nil, err
		}
		s := Step{Line: at, Kind: If, Condition: c}
		last := ""
		if s.Steps, last, err = p.block(depth + 1); err == nil && last == "else" {
			s.Else, last, err = p.block(depth + 1)
		}
		if err == nil && last != "end" {
			err = fmt.Errorf("a second %q", last)
		}
		return []Step{s}, err
	}
	s, err := p.line(at, f)
	return []Step{s}, err
}

// talk is the beginning of many scenarios.
func (p *parser) talk(f []string) ([]Step, error) {
	if len(f) != 2 || !validTerminal(f[0]) || !validTerminal(f[1]) {
		return nil, fmt.Errorf("a talk is between two terminals: %q", "talk: alice bob")
	}
	a, b := f[0], f[1]
	does := func(who, what string) Step { return Step{Line: p.at, Kind: Does, Who: who, What: what} }
	hears := func(who, what string) Step { return Step{Line: p.at, Kind: Hears, Who: who, What: what} }
	call, incoming := does(a, "call"), hears(b, "incoming")
	call.Arg, incoming.From = personOf(b), personOf(a)
	return []Step{
		call, incoming, does(b, "ring"), hears(a, "alerting"), does(b, "answer"), hears(a, "answered"),
		hears(a, "established"), hears(b, "established"),
	}, nil
}

// line reads what one terminal does, hears or sees.
func (p *parser) line(at int, f []string) (Step, error) {
	s := Step{Line: at}
	if len(f) < 3 {
		return s, fmt.Errorf("a step is a terminal, %q, %q, %q or %q, and more", "->", "<-", "hears", "sees")
	}
	who, call, named := strings.Cut(f[0], "/")
	if !validTerminal(who) || named && !validName(call) {
		return s, fmt.Errorf("%q is no terminal, nor a call of one", f[0])
	}
	s.Who, s.Call = who, call
	switch f[1] {
	case "->":
		s.Kind = Does
		return s, s.words(Actions, f[2:])
	case "<-", "<?":
		s.Kind, s.Optional = Hears, f[1] == "<?"
		return s, s.words(Events, f[2:])
	case "hears", "sees":
		s.Kind = Media
		switch {
		case f[1] == "sees" && len(f) == 3:
			s.What, s.Arg = "video", f[2]
		case f[1] == "hears" && len(f) == 3:
			s.What, s.Arg = "audio", f[2]
		case f[1] == "hears" && len(f) == 4 && f[2] == "digits" && validDigits(f[3]):
			s.What, s.Arg = "digits", f[3]
			return s, nil
		}
		if s.Arg != "nothing" && !validTerminal(s.Arg) {
			return s, fmt.Errorf("a terminal hears or sees another terminal, nothing, or digits")
		}
		return s, nil
	}
	return s, fmt.Errorf("%q is none of %q, %q, %q, %q and %q", f[1], "->", "<-", "<?", "hears", "sees")
}

// words reads an action or event and what belongs to it.
func (s *Step) words(words map[string]Word, f []string) error {
	w, ok := words[f[0]]
	if !ok {
		return fmt.Errorf("no such word: %q", f[0])
	}
	s.What, f = f[0], f[1:]
	if w.Arg != None {
		if len(f) == 0 || !w.Arg.valid(f[0]) {
			return fmt.Errorf("%s takes a %s", s.What, w.Arg)
		}
		s.Arg, f = f[0], f[1:]
		for (w.Arg == Reason || w.Arg == Code) && len(f) >= 2 && f[0] == "or" && w.Arg.valid(f[1]) {
			s.Arg, f = s.Arg+" or "+f[1], f[2:]
		}
	}
	if w.From {
		if len(f) < 2 || f[0] != "from" || !validName(f[1]) {
			return fmt.Errorf("%s is from a person", s.What)
		}
		s.From, f = f[1], f[2:]
	}
	for len(f) > 0 {
		if len(f) < 2 || f[0] != "with" || !slices.Contains(w.With, f[1]) || s.Has(f[1]) {
			return fmt.Errorf("%s cannot have %q", s.What, strings.Join(f, " "))
		}
		c := With{What: f[1]}
		f = f[2:]
		if c.What == "header" {
			if len(f) < 2 || !strings.HasPrefix(f[0], "X-") {
				return fmt.Errorf("a header has a name that begins with X-, and a value")
			}
			c.Name, c.Value, f = f[0], f[1], f[2:]
		}
		s.With = append(s.With, c)
	}
	return nil
}

func (a Argument) valid(s string) bool {
	switch a {
	case Somebody:
		return validName(s)
	case Reason:
		_, ok := schema.ParseReason(s)
		return ok
	case Code:
		return slices.ContainsFunc(codes(), func(c callv1.Code) bool { return schema.CodeName(c) == s })
	case Change:
		_, ok := Changes[s]
		return ok
	case Digits:
		return validDigits(s)
	}
	return false
}

func codes() []callv1.Code {
	var out []callv1.Code
	for n := range callv1.Code_name {
		out = append(out, callv1.Code(n))
	}
	return out
}

func validDigits(s string) bool {
	return s != "" && len(s) <= 16 && strings.Trim(s, "0123456789*#ABCD") == ""
}

// parseCondition reads "bob can pull" or "bob hears reoffer".
func parseCondition(f []string) (Condition, error) {
	c := Condition{}
	if len(f) != 3 || !validTerminal(f[0]) || f[1] != "can" && f[1] != "hears" {
		return c, fmt.Errorf("a condition is %q or %q", "bob can pull", "bob hears reoffer")
	}
	c = Condition{Terminal: f[0], Hears: f[1] == "hears", What: f[2]}
	words := Actions
	if c.Hears {
		words = Events
	}
	if _, ok := words[c.What]; !ok {
		return c, fmt.Errorf("no such word: %q", c.What)
	}
	return c, nil
}

// records reads the lines at the end.
func (p *parser) records() error {
	for {
		line, ok := p.peek()
		if !ok {
			return nil
		}
		p.at++
		value, isRecord := strings.CutPrefix(line, "record: ")
		if !isRecord {
			return fmt.Errorf("records come last")
		}
		f := strings.Fields(strings.ReplaceAll(value, ",", " , "))
		r := Record{Line: p.at}
		ok = len(f) >= 5 && (f[1] == "to" || f[1] == "and") && f[3] == "," && validName(f[0]) && validName(f[2])
		if ok {
			r.Caller, r.Either, r.Callee, f = f[0], f[1] == "and", f[2], f[4:]
			if len(f) >= 3 && f[0] == "answered" && f[1] == "," {
				r.Answered, f = true, f[2:]
			}
			r.Reasons, ok = reasons(f, r.Answered)
		}
		if !ok {
			return fmt.Errorf("a record is %q or %q", "record: alice to bob, answered, normal", "record: alice to bob, cancelled")
		}
		p.s.Records = append(p.s.Records, r)
	}
}

// reasons reads "normal", or "declined or busy".
func reasons(f []string, answered bool) (out []string, ok bool) {
	for i, word := range f {
		if i%2 == 1 {
			if word != "or" || i == len(f)-1 {
				return nil, false
			}
			continue
		}
		if !Reason.valid(word) && (word != "redirected" || answered) {
			return nil, false
		}
		out = append(out, word)
	}
	return out, len(out) > 0
}
