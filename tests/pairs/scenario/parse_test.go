package scenario

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const dir = "../../../schema/testdata/scenarios"

func TestEveryFileIsRead(t *testing.T) {
	all, err := ReadAll(os.DirFS(dir))
	if err != nil {
		t.Fatal(err)
	}
	if len(all) < 60 {
		t.Errorf("only %d scenarios", len(all))
	}
	for _, s := range all {
		if len(s.Required()) == 0 {
			t.Errorf("%s: nobody does anything", s.Name)
		}
	}
}

const good = `# Somebody calls

A paragraph
of two lines.

theme: calls
media: real
times: short
terminal: bob2 like alice, later
person: alice's phone is dave
person: bob has no number
needs: bob hears in-call

# For people.
talk: alice bob
bob/own <? incoming from alice with header X-A 1
if bob can pull
  bob -> pull
else
  together
    alice -> hang-up
    bob -> hang-up
  end
end
alice hears nothing
bob sees alice
bob hears digits 12#

record: alice and bob, answered, normal or busy
`

func TestFormat(t *testing.T) {
	s, err := Parse("x", good)
	if err != nil {
		t.Fatal(err)
	}
	if s.Prose != "A paragraph of two lines." || !s.Real || !s.Short || s.Theme != "calls" || len(s.Steps) != 13 {
		t.Errorf("read as %+v", s)
	}
	want := []string{
		"alice -> call bob", "bob <- incoming from alice", "bob -> ring", "alice <- alerting", "bob -> answer",
		"alice <- answered", "alice <- established", "bob <- established", "bob/own <? incoming from alice with header X-A 1",
		"if bob can pull", "alice hears nothing", "bob sees alice", "bob hears digits 12#",
	}
	for i, step := range s.Steps {
		if step.String() != want[i] {
			t.Errorf("step %d is %q, want %q", i, step, want[i])
		}
	}
	r := s.Records[0]
	if !r.Either || !r.Answered || strings.Join(r.Reasons, " ") != "normal busy" {
		t.Errorf("record: %+v", r)
	}
	if got := s.Required(); len(got) != 4 || got[0].String() != "bob hears in-call" || got[1].String() != "alice can call" {
		t.Errorf("required: %v", got)
	}
}

// TestStrict: what is not meant to be is refused, with its line.
func TestStrict(t *testing.T) {
	for _, c := range []struct{ from, to, want string }{
		{"# Somebody calls\n", "Somebody calls\n", ":1:"},
		{"# Somebody calls\n", "# Somebody calls.\n", ":1:"},
		{"A paragraph\nof two lines.\n", "", ":3: a paragraph"},
		{"theme: calls\n", "", "a theme is missing"},
		{"theme: calls", "theme: calls\ntheme: calls", "theme"},
		{"theme: calls", "subject: calls", "no such header"},
		{"media: real", "media: none", "none of"},
		{"media: real\n", "", "media flows only"},
		{"bob2 like alice", "bob2 like carol", "a terminal is"},
		{"bob2 like alice", "bob like alice", "a second terminal"},
		{"phone is dave", "phone is Dave", "a person"},
		{"alice's phone", "nobody's phone", "no person's name"},
		{"needs: bob hears in-call", "needs: bob hears voices", "no such word"},
		{"needs: bob hears in-call", "needs: eve hears in-call", "not in the cast"},
		{"talk: alice bob", "talk: alice", "between two"},
		{"talk: alice bob", "talk: alice eve", "nobody's name"},
		{"bob -> pull", "bob -> pull hard", "cannot have"},
		{"bob -> pull", "bob -> fly", "no such word"},
		{"bob -> pull", "bob <> pull", "none of"},
		{"    bob -> hang-up\n", "", "two and more"},
		{"    bob -> hang-up\n", "    bob <- idle\n", "only do things"},
		{"  end\nend\n", "  end\n", ":28:"},
		{"else\n", "else\nelse\n", "second"},
		{"incoming from alice with", "incoming with", "is from a person"},
		{"header X-A 1", "header A 1", "begins with X-"},
		{"header X-A 1", "header X-A 1 with header X-B 2", "cannot have"},
		{"digits 12#", "digits 12x", "hears or sees"},
		{"bob sees alice", "bob sees eve", "not in the cast"},
		{"normal or busy", "normal or", "a record is"},
		{"normal or busy", "redirected", "a record is"},
		{"record: alice and bob", "record: alice and eve", "not in the cast"},
		{"normal or busy\n", "normal or busy\nbob -> hang-up\n", "records come last"},
		{"normal or busy\n", "normal or busy", "not ended"},
		{"bob -> pull", "bob -> pull ", "blank at the end"},
	} {
		text := strings.Replace(good, c.from, c.to, 1)
		if text == good {
			t.Errorf("%q is not in the example", c.from)
		}
		if _, err := Parse("x", text); err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "x.txt:") {
			t.Errorf("%q for %q: %v, want one with %q", c.to, c.from, err, c.want)
		}
	}
}

// FuzzParse: no text crashes the reader, and what is read can be said again.
func FuzzParse(f *testing.F) {
	f.Add(good)
	entries, err := filepath.Glob(dir + "/*" + Ending)
	if err != nil {
		f.Fatal(err)
	}
	for _, name := range entries {
		text, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(string(text))
	}
	f.Fuzz(func(t *testing.T, text string) {
		s, err := Parse("x", text)
		if err != nil {
			return
		}
		for _, st := range s.Steps {
			if st.Kind == Does || st.Kind == Hears || st.Kind == Media {
				p := &parser{s: s}
				again, err := p.step(st.String(), 0)
				if err != nil || len(again) != 1 || again[0].String() != st.String() {
					t.Errorf("%q is read as %v, %v", st, again, err)
				}
			}
		}
	})
}
