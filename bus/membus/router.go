package membus

import (
	"math/rand/v2"
	"slices"
	"strings"
)

// node is one token of the subscriptions' tree.
type node struct {
	children map[string]*node // "*" and ">" are children like others
	subs     []*subscription
}

func (n *node) insert(filter string, s *subscription) {
	for token := range strings.SplitSeq(filter, ".") {
		child := n.children[token]
		if child == nil {
			if n.children == nil {
				n.children = map[string]*node{}
			}
			child = &node{}
			n.children[token] = child
		}
		n = child
	}
	n.subs = append(n.subs, s)
}

// remove takes s out and prunes what is empty; it reports whether n is.
func (n *node) remove(filter string, s *subscription) bool {
	token, rest, more := strings.Cut(filter, ".")
	child := n.children[token]
	if child == nil {
		return false
	}
	if more {
		if child.remove(rest, s) {
			delete(n.children, token)
		}
	} else {
		child.subs = slices.DeleteFunc(child.subs, func(o *subscription) bool { return o == s })
		if len(child.subs) == 0 && len(child.children) == 0 {
			delete(n.children, token)
		}
	}
	return len(n.subs) == 0 && len(n.children) == 0
}

// match appends the subscriptions whose filter covers subject.
func (n *node) match(subject string, found []*subscription) []*subscription {
	if rest := n.children[">"]; rest != nil {
		found = append(found, rest.subs...)
	}
	token, tail, more := strings.Cut(subject, ".")
	for _, key := range [2]string{token, "*"} {
		child := n.children[key]
		switch {
		case child == nil:
		case more:
			found = child.match(tail, found)
		default:
			found = append(found, child.subs...)
		}
	}
	return found
}

// choose leaves one member of each queue group, at random, and every
// subscription without a group.
func choose(found []*subscription) []*subscription {
	grouped := false
	for _, s := range found {
		grouped = grouped || s.queue != ""
	}
	if !grouped || len(found) < 2 {
		return found
	}
	rand.Shuffle(len(found), func(i, j int) { found[i], found[j] = found[j], found[i] })
	chosen, groups := found[:0], map[string]bool{}
	for _, s := range found {
		if s.queue != "" && groups[s.queue] {
			continue
		}
		groups[s.queue] = true
		chosen = append(chosen, s)
	}
	return chosen
}
