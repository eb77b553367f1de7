package localbus

import (
	"slices"
	"strings"
)

// node is one token of the servers' filters.
type node struct {
	children map[string]*node
	any      *node // the child of "*", which is also in children, as "*"
	rest     *node // the same for ">"
	servers  []*server
}

func (n *node) insert(filter string, s *server) {
	for token := range strings.SplitSeq(filter, ".") {
		if n.children == nil {
			n.children = map[string]*node{}
		}
		child := n.children[token]
		if child == nil {
			child = &node{}
			n.children[token] = child
			n.wildcards()
		}
		n = child
	}
	n.servers = append(n.servers, s)
}

// remove takes a server out; it reports whether n is empty then.
func (n *node) remove(filter string, s *server) bool {
	token, rest, more := strings.Cut(filter, ".")
	child := n.children[token]
	if child == nil {
		return false
	}
	empty := false
	if more {
		empty = child.remove(rest, s)
	} else {
		child.servers = slices.DeleteFunc(child.servers, func(o *server) bool { return o == s })
		empty = len(child.servers) == 0 && len(child.children) == 0
	}
	if empty {
		delete(n.children, token)
		n.wildcards()
	}
	return len(n.servers) == 0 && len(n.children) == 0
}

// wildcards keeps the two children at hand that match is always to look at.
func (n *node) wildcards() { n.any, n.rest = n.children["*"], n.children[">"] }

// match gives a server whose filter covers the subject, and how many there are.
func (n *node) match(subject string) (found *server, count int) {
	for {
		if n.rest != nil {
			found, count = n.rest.add(found, count)
		}
		token, rest, more := strings.Cut(subject, ".")
		literal := n.children[token]
		switch {
		case n.any == nil && literal == nil:
			return found, count
		case n.any != nil && literal != nil: // both ways, which is rare
			if more {
				one, c := literal.match(rest)
				if c > 0 {
					found, count = one, count+c
				}
			} else {
				found, count = literal.add(found, count)
			}
			n = n.any
		case literal != nil:
			n = literal
		default:
			n = n.any
		}
		if !more {
			return n.add(found, count)
		}
		subject = rest
	}
}

func (n *node) add(found *server, count int) (*server, int) {
	if len(n.servers) == 0 {
		return found, count
	}
	return n.servers[0], count + len(n.servers)
}
