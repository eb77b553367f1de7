package config

import (
	"fmt"
	"io"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/tandem-rtc/tandem/adapters/kit"
)

// Reference writes a complete configuration file with every key's default and
// what it is for. Load reads it back as the defaults.
func Reference(w io.Writer, specs []kit.Spec) error {
	p := &printer{docs: true}
	p.comment("", "Every key of the configuration with its default. A key is also the environment variable "+
		EnvName("section.key")+" and the flag --set section.key=value; flags win over the environment, and that over the file.")
	p.fields("", New(specs).root())
	_, err := io.WriteString(w, p.b.String())
	return err
}

// Show writes a configuration as YAML, with "(secret)" for every secret set.
func (c *Config) Show(w io.Writer) error {
	p := &printer{}
	p.fields("", c.root())
	_, err := io.WriteString(w, p.b.String())
	return err
}

type printer struct {
	b    strings.Builder
	docs bool
}

// fields writes keys at an indentation.
func (p *printer) fields(indent string, fields []field) {
	for _, f := range fields {
		if p.docs {
			if indent == "" {
				p.b.WriteByte('\n')
			}
			p.comment(indent, f.doc)
		}
		switch {
		case f.section():
			fmt.Fprintf(&p.b, "%s%s:\n", indent, f.name)
			p.fields(indent+"  ", fieldsOf(f.v))
		case f.list():
			p.list(indent, f)
		default:
			fmt.Fprintf(&p.b, "%s%s: %s\n", indent, f.name, p.value(f))
		}
	}
}

// list writes a list of mappings; in the reference, an empty one with the shape
// of an entry.
func (p *printer) list(indent string, f field) {
	if f.v.Len() == 0 {
		fmt.Fprintf(&p.b, "%s%s: []\n", indent, f.name)
		if p.docs {
			p.b.WriteString(indent + "# An entry:\n")
			entry := reflect.New(f.v.Type().Elem()).Elem()
			setDefaults(entry)
			p.example(indent, fieldsOf(entry))
		}
		return
	}
	fmt.Fprintf(&p.b, "%s%s:\n", indent, f.name)
	for i := range f.v.Len() {
		entry := &printer{}
		entry.fields(indent+"    ", fieldsOf(f.v.Index(i)))
		p.b.WriteString(indent + "  - " + strings.TrimPrefix(entry.b.String(), indent+"    "))
	}
}

// example writes a list's entry as a comment.
func (p *printer) example(indent string, fields []field) {
	entry := &printer{}
	for _, f := range fields {
		entry.comment(indent+"#     ", f.doc)
		fmt.Fprintf(&entry.b, "%s#     %s: %s\n", indent, f.name, scalar(f.v))
	}
	p.b.WriteString(strings.Replace(entry.b.String(), "#     ", "#   - ", 1))
}

// value writes a leaf.
func (p *printer) value(f field) string {
	switch {
	case !f.secret || f.v.IsZero():
	case f.v.Kind() == reflect.Slice:
		return `["(secret)"]`
	default:
		return `"(secret)"`
	}
	return scalar(f.v)
}

func scalar(v reflect.Value) string {
	switch {
	case v.Type() == durationType:
		return shortDuration(time.Duration(v.Int()))
	case v.Kind() == reflect.Slice:
		parts := make([]string, v.Len())
		for i := range parts {
			parts[i] = scalar(v.Index(i))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case v.Kind() == reflect.String:
		text, err := yaml.Marshal(v.String())
		if err != nil || strings.Count(string(text), "\n") > 1 || strings.ContainsAny(v.String(), "[]{},") {
			return strconv.Quote(v.String())
		}
		return strings.TrimSuffix(string(text), "\n")
	case v.Kind() == reflect.Float64:
		return strconv.FormatFloat(v.Float(), 'g', -1, 64)
	}
	return fmt.Sprint(v.Interface())
}

// shortDuration leaves out zero units: 1m instead of 1m0s.
func shortDuration(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// comment writes text as comment lines of at most 78 columns.
func (p *printer) comment(lead, text string) {
	prefix := lead + "# "
	line := prefix
	for word := range strings.FieldsSeq(text) {
		if len(line)+len(word) > 78 && line != prefix {
			p.b.WriteString(strings.TrimRight(line, " ") + "\n")
			line = prefix
		}
		line += word + " "
	}
	if line != prefix {
		p.b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
}
