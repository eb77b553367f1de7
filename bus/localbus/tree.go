package localbus

import (
	"slices"
	"strings"
)

// node is one token of the servers' filters.
type node struct {
	children map[string]*node // "*" and ">" are children like others
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
	}
	return len(n.servers) == 0 && len(n.children) == 0
}

// match gives a server whose filter covers the subject, and how many there are.
func (n *node) match(subject string) (found *server, count int) {
	take := func(s *server, c int) {
		if c > 0 {
			found, count = s, count+c
		}
	}
	first := func(n *node) (*server, int) {
		if n == nil || len(n.servers) == 0 {
			return nil, 0
		}
		return n.servers[0], len(n.servers)
	}
	take(first(n.children[">"]))
	token, rest, more := strings.Cut(subject, ".")
	for _, key := range [2]string{token, "*"} {
		child := n.children[key]
		switch {
		case child == nil:
		case more:
			take(child.match(rest))
		default:
			take(first(child))
		}
	}
	return found, count
}
