package scenario

import (
	"fmt"
	"slices"
)

// check looks at the whole once it is read: names, and blocks that make sense.
func (p *parser) check() error {
	s := p.s
	if s.Theme == "" {
		return fmt.Errorf("a theme is missing")
	}
	if len(s.Steps) == 0 || len(s.Records) == 0 {
		return fmt.Errorf("steps or records are missing")
	}
	for _, t := range s.Terminals {
		p.known(t.Person())
	}
	for i := range s.People {
		if s.People[i].Phone != "" && p.known(s.People[i].Phone) == nil {
			return fmt.Errorf("nobody can have that phone")
		}
	}
	for _, c := range s.Needs {
		if _, ok := s.Terminal(c.Terminal); !ok {
			return fmt.Errorf("%s is not in the cast", c.Terminal)
		}
	}
	for _, r := range s.Records {
		if !p.isPerson(r.Caller) || !p.isPerson(r.Callee) && r.Callee != Nobody {
			p.at = r.Line
			return fmt.Errorf("a record of somebody who is not in the cast")
		}
	}
	return p.checkSteps(s.Steps, false)
}

func (p *parser) isPerson(name string) bool {
	return slices.ContainsFunc(p.s.People, func(x Person) bool { return x.Name == name })
}

func (p *parser) checkSteps(steps []Step, together bool) error {
	for _, st := range steps {
		p.at = st.Line
		if together && st.Kind != Does {
			return fmt.Errorf("terminals only do things together")
		}
		if err := p.checkStep(st); err != nil {
			return err
		}
	}
	return nil
}

func (p *parser) checkStep(st Step) error {
	cast := func(name string) error {
		if _, ok := p.s.Terminal(name); !ok {
			return fmt.Errorf("%s is not in the cast", name)
		}
		return nil
	}
	switch st.Kind {
	case Together:
		if len(st.Steps) < 2 {
			return fmt.Errorf("together are two and more")
		}
		return p.checkSteps(st.Steps, true)
	case If:
		if err := cast(st.Condition.Terminal); err != nil {
			return err
		}
		if err := p.checkSteps(st.Steps, false); err != nil {
			return err
		}
		return p.checkSteps(st.Else, false)
	}
	if err := cast(st.Who); err != nil {
		return err
	}
	word := Actions[st.What]
	if st.Kind == Hears {
		word = Events[st.What]
	}
	switch {
	case st.Kind == Media && st.What != "digits" && st.Arg != "nothing":
		return cast(st.Arg)
	case st.Kind != Media && word.Arg == Somebody && !p.isPerson(st.Arg) && (st.What != "call" || st.Arg != Nobody):
		return fmt.Errorf("%s is nobody's name", st.Arg)
	case st.From != "" && !p.isPerson(st.From):
		return fmt.Errorf("%s is nobody's name", st.From)
	case !p.s.Real && (st.Kind == Media || st.What == "play"):
		return fmt.Errorf("media flows only where the header says so: %q", "media: real")
	}
	return nil
}
