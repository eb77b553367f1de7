package config

import (
	"reflect"
	"strings"
	"time"
)

// field is one key: a leaf, a list, or a section with fields of its own.
type field struct {
	name   string
	doc    string
	secret bool
	v      reflect.Value // addressable
}

// section reports whether the field is a mapping.
func (f field) section() bool { return f.v.Kind() == reflect.Struct }

// list gives whether the field is a list of mappings.
func (f field) list() bool {
	return f.v.Kind() == reflect.Slice && f.v.Type().Elem().Kind() == reflect.Struct
}

// fieldsOf gives the keys of a struct in order. A field without a yaml tag, or
// with "-", is no key.
func fieldsOf(v reflect.Value) (out []field) {
	t := v.Type()
	for i := range t.NumField() {
		sf := t.Field(i)
		name, _, _ := strings.Cut(sf.Tag.Get("yaml"), ",")
		if name == "" || name == "-" || !sf.IsExported() {
			continue
		}
		out = append(out, field{name: name, doc: sf.Tag.Get("doc"), secret: sf.Tag.Get("secret") == "true", v: v.Field(i)})
	}
	return out
}

// root gives the top-level keys: the struct's, then the adapters' sections.
func (c *Config) root() []field {
	out := fieldsOf(reflect.ValueOf(c).Elem())
	for _, a := range c.Adapters {
		out = append(out, field{
			name: a.Spec.Kind, doc: "The " + a.Spec.Kind + " adapter.", v: reflect.ValueOf(a.Config).Elem(),
		})
	}
	return out
}

// walk calls f for every key that holds a value, with its path.
func walk(prefix string, fields []field, f func(path string, fd field)) {
	for _, fd := range fields {
		path := prefix + fd.name
		if fd.section() {
			walk(path+".", fieldsOf(fd.v), f)
			continue
		}
		f(path, fd)
	}
}

// find gives the key at a path.
func (c *Config) find(path string) (field, bool) {
	var found field
	ok := false
	walk("", c.root(), func(p string, f field) {
		if p == path {
			found, ok = f, true
		}
	})
	return found, ok
}

var durationType = reflect.TypeFor[time.Duration]()

// typeName says what a value must be, for errors.
func typeName(t reflect.Type) string {
	switch {
	case t == durationType:
		return "a duration such as 10s or 5m"
	case t.Kind() == reflect.Bool:
		return "true or false"
	case t.Kind() == reflect.String:
		return "text"
	case t.Kind() == reflect.Slice:
		return "a list"
	case t.Kind() == reflect.Struct:
		return "a mapping"
	case t.Kind() == reflect.Float64:
		return "a number"
	}
	return "a whole number"
}

// closest gives the known name that a mistyped one is probably meant to be.
func closest(name string, fields []field) string {
	best, at := "", 3
	for _, f := range fields {
		if d := distance(name, f.name); d < at {
			best, at = f.name, d
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
