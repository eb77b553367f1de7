package scenario

import "strings"

// Scenario is one file.
type Scenario struct {
	// Name is the file's, without its ending.
	Name string
	// Title is the first line, Prose the paragraph below it.
	Title, Prose string
	// Theme is the part of the table that it stands in.
	Theme string
	// Real: media flows; else descriptions are exchanged and nothing more.
	Real bool
	// Short: it waits for time to run out, so that has to be soon.
	Short bool
	// Limited: a person can have two calls at once, and place three in a minute.
	Limited bool
	// People are those named, in the order of their names' first use.
	People []Person
	// Terminals are the cast, alice's and bob's first.
	Terminals []Terminal
	// Needs are what a terminal must be able to do or hear, beyond its actions.
	Needs []Condition
	// Steps are what happens, in order.
	Steps []Step
	// Records are the calls that the journal holds afterwards.
	Records []Record
}

// Person is a subscriber.
type Person struct {
	// Name is the person's.
	Name string
	// NoNumber: no tel: address of their own.
	NoNumber bool
	// Phone is whom the directory calls this person's phone; "" if nobody.
	Phone string
}

// Terminal is one terminal of the cast.
type Terminal struct {
	// Name is the person's name, and a number from the second on.
	Name string
	// Like is whose protocol it speaks: alice's or bob's.
	Like string
	// Later: it is not signed in when the scenario begins.
	Later bool
}

// Person is whose terminal it is.
func (t Terminal) Person() string { return personOf(t.Name) }

func personOf(terminal string) string { return strings.TrimRight(terminal, "23456789") }

// Condition is something that a terminal's protocol can do, or hear.
type Condition struct {
	Terminal string
	// Hears: What is an event; else it is an action.
	Hears bool
	What  string
}

// Kind is what a step is.
type Kind int

// The kinds of steps.
const (
	// Does: a terminal sends something.
	Does Kind = iota + 1
	// Hears: a terminal is told something.
	Hears
	// Media: a terminal receives media, or none.
	Media
	// Together: several terminals act at once.
	Together
	// If: what follows depends on what a terminal's protocol can do.
	If
)

// Step is one line, or a block of them.
type Step struct {
	// Line is where it stands, from 1.
	Line int
	Kind Kind
	// Who is the terminal and Call its name for the call, "" unless it has two.
	Who, Call string
	// What is the action, the event, or the kind of media ("audio", "video",
	// "digits").
	What string
	// Arg follows What: a person, a reason, digits; "" if there is none.
	Arg string
	// From is whose call arrives.
	From string
	// With are the clauses behind it: "video" and what else With knows.
	With []With
	// Optional: the event may be left out.
	Optional bool
	// Condition, Steps and Else are of an If; Steps those of a Together.
	Condition Condition
	Steps     []Step
	Else      []Step
}

// Args are the values that the argument may have: "declined or busy" is two.
func (s Step) Args() []string { return strings.Split(s.Arg, " or ") }

// With is a clause of a step: "with video", "with header X-Ticket 42".
type With struct{ What, Name, Value string }

// Has reports whether the step has a clause.
func (s Step) Has(what string) bool {
	for _, w := range s.With {
		if w.What == what {
			return true
		}
	}
	return false
}

// String is the step as the file has it.
func (s Step) String() string {
	who := s.Who
	if s.Call != "" {
		who += "/" + s.Call
	}
	switch s.Kind {
	case Does:
		return who + " -> " + s.said()
	case Hears:
		if s.Optional {
			return who + " <? " + s.said()
		}
		return who + " <- " + s.said()
	case Media:
		switch s.What {
		case "video":
			return who + " sees " + s.Arg
		case "digits":
			return who + " hears digits " + s.Arg
		}
		return who + " hears " + s.Arg
	case Together:
		return "together"
	}
	return "if " + s.Condition.String()
}

// said is the action or event with all that belongs to it.
func (s Step) said() string {
	out := s.What
	if s.Arg != "" {
		out += " " + s.Arg
	}
	if s.From != "" {
		out += " from " + s.From
	}
	for _, w := range s.With {
		out = strings.TrimRight(out+" with "+w.What+" "+w.Name+" "+w.Value, " ")
	}
	return out
}

// String is the condition as the file has it.
func (c Condition) String() string {
	if c.Hears {
		return c.Terminal + " hears " + c.What
	}
	return c.Terminal + " can " + c.What
}

// Record is a call as the journal has it once it is over.
type Record struct {
	Line int
	// Caller and Callee are people; either may be the other if Either is set.
	Caller, Callee string
	Either         bool
	// Answered: somebody took the call.
	Answered bool
	// Reasons are why it may have ended; one is "redirected" if it lost a glare.
	Reasons []string
	// Maybe: there need not be such a call. No file says so; who plays a scenario may.
	Maybe bool
}

// Calls is how many calls the journal holds at least.
func (s *Scenario) Calls() (n int) {
	for _, r := range s.Records {
		if !r.Maybe {
			n++
		}
	}
	return n
}

// Terminal finds a terminal of the cast.
func (s *Scenario) Terminal(name string) (Terminal, bool) {
	for _, t := range s.Terminals {
		if t.Name == name {
			return t, true
		}
	}
	return Terminal{}, false
}

// Required gives what the cast must be able to do for the scenario to be played
// at all: what is asked for, and every action outside of an If.
func (s *Scenario) Required() []Condition {
	out := append([]Condition(nil), s.Needs...)
	seen := map[Condition]bool{}
	for _, c := range out {
		seen[c] = true
	}
	var walk func([]Step)
	walk = func(steps []Step) {
		for _, st := range steps {
			switch st.Kind {
			case Does:
				c := Condition{Terminal: st.Who, What: st.What}
				if !seen[c] {
					seen[c] = true
					out = append(out, c)
				}
			case Together:
				walk(st.Steps)
			}
		}
	}
	walk(s.Steps)
	return out
}
