package config

import (
	"errors"
	"fmt"
	"reflect"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// maxDepth ends a document that refers to itself.
const maxDepth = 32

// decodeFile reads a whole YAML document and reports everything in it that
// cannot be used.
func (c *Config) decodeFile(data []byte) (errs []error) {
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return []error{fmt.Errorf("not YAML: %w", err)}
	}
	if doc.Kind == 0 || len(doc.Content) == 0 { // empty, or comments alone
		return nil
	}
	return decodeMapping(doc.Content[0], c.root(), "", 0)
}

func decodeMapping(n *yaml.Node, fields []field, path string, depth int) (errs []error) {
	n = follow(n)
	if n.Tag == "!!null" { // a key without a value keeps the defaults
		return nil
	}
	if n.Kind != yaml.MappingNode {
		return []error{at(path, n, "must be a mapping of keys to values")}
	}
	if depth > maxDepth {
		return []error{at(path, n, "is nested too deeply")}
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		here := join(path, key.Value)
		f, ok := lookup(fields, key.Value)
		switch {
		case !ok:
			text := "is no key"
			if meant := closest(key.Value, fields); meant != "" {
				text += ", did you mean " + meant + "?"
			}
			errs = append(errs, at(here, key, text))
		case seen[key.Value]:
			errs = append(errs, at(here, key, "stands here twice"))
		default:
			errs = append(errs, decode(value, f.v, here, f.secret, depth+1)...)
		}
		seen[key.Value] = true
	}
	return errs
}

// decode sets v from a node.
func decode(n *yaml.Node, v reflect.Value, path string, secret bool, depth int) (errs []error) {
	n = follow(n)
	switch {
	case v.Kind() == reflect.Struct:
		return decodeMapping(n, fieldsOf(v), path, depth)
	case n.Tag == "!!null":
		return nil
	case v.Kind() == reflect.Slice:
		if n.Kind != yaml.SequenceNode {
			return []error{at(path, n, "must be a list")}
		}
		if depth > maxDepth {
			return []error{at(path, n, "is nested too deeply")}
		}
		list := reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content))
		for i, item := range n.Content {
			setDefaults(list.Index(i))
			errs = append(errs, decode(item, list.Index(i), fmt.Sprintf("%s[%d]", path, i), secret, depth+1)...)
		}
		v.Set(list)
		return errs
	case n.Kind != yaml.ScalarNode:
		return []error{at(path, n, "must be "+typeName(v.Type()))}
	}
	if err := setScalar(v, n.Value); err != nil {
		text := fmt.Sprintf("%q is not %s", n.Value, typeName(v.Type()))
		if secret {
			text = "is not " + typeName(v.Type())
		}
		return []error{at(path, n, text)}
	}
	return nil
}

// setDefaults fills in a new entry of a list, if its type knows how.
func setDefaults(v reflect.Value) {
	if d, ok := v.Addr().Interface().(interface{ SetDefaults() }); ok {
		d.SetDefaults()
	}
}

// setScalar sets a leaf from text. Text is taken as it stands, so that numbers
// and passwords need no quotes.
func setScalar(v reflect.Value, text string) error {
	switch {
	case v.Type() == durationType:
		d, err := time.ParseDuration(text)
		if err != nil {
			return err
		}
		v.SetInt(int64(d))
		return nil
	case v.Kind() == reflect.String:
		v.SetString(text)
		return nil
	case v.Kind() == reflect.Bool:
		if text != "true" && text != "false" {
			return errors.New("not a boolean")
		}
		v.SetBool(text == "true")
		return nil
	}
	return yaml.Unmarshal([]byte(text), v.Addr().Interface())
}

// setText sets any key from one line: a scalar, a comma-separated list of
// texts, or YAML for everything else.
func setText(f field, path, text string) (errs []error) {
	if f.v.Kind() != reflect.Slice {
		return decode(&yaml.Node{Kind: yaml.ScalarNode, Value: text}, f.v, path, f.secret, 0)
	}
	if !f.list() && !bracketed(strings.TrimSpace(text)) {
		list := reflect.MakeSlice(f.v.Type(), 0, 4)
		for part := range strings.SplitSeq(text, ",") {
			item := reflect.New(f.v.Type().Elem()).Elem()
			if err := setScalar(item, strings.TrimSpace(part)); err != nil {
				return []error{fmt.Errorf("%s: is not a list of %s", path, typeName(item.Type()))}
			}
			list = reflect.Append(list, item)
		}
		f.v.Set(list)
		return nil
	}
	var doc yaml.Node
	if err := yaml.Unmarshal([]byte(text), &doc); err != nil || len(doc.Content) == 0 {
		return []error{fmt.Errorf("%s: is not a list in YAML", path)} // the text may hold secrets
	}
	return decode(doc.Content[0], f.v, path, f.secret, 0)
}

// bracketed reports whether a text is one list in YAML: the bracket it begins with is
// closed by its last one, unlike that of the address in "[2001:db8::1]:7900".
func bracketed(text string) bool {
	depth, quote := 0, rune(0)
	for i, c := range text {
		switch {
		case quote != 0:
			if c == quote {
				quote = 0
			}
		case c == '"' || c == '\'':
			quote = c
		case c == '[':
			depth++
		case c == ']':
			depth--
		}
		if depth == 0 {
			return i > 0 && i == len(text)-1
		}
	}
	return depth > 0 // a list that is not closed, which says so
}

func follow(n *yaml.Node) *yaml.Node {
	for range maxDepth {
		if n.Kind != yaml.AliasNode || n.Alias == nil {
			break
		}
		n = n.Alias
	}
	return n
}

func lookup(fields []field, name string) (field, bool) {
	for _, f := range fields {
		if f.name == name {
			return f, true
		}
	}
	return field{}, false
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// at makes an error that tells the path and, where there is one, the line.
func at(path string, n *yaml.Node, text string) error {
	if path == "" {
		path = "the document"
	}
	if n.Line == 0 {
		return fmt.Errorf("%s: %s", path, text)
	}
	return fmt.Errorf("%s: %s (line %d)", path, text, n.Line)
}
