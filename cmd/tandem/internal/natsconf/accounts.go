package natsconf

import (
	"fmt"
	"strconv"
	"strings"
)

// accounts renders the accounts with their users and what passes between them.
func (p *Plan) accounts(k keys) (string, error) {
	w := &writer{}
	w.line("# The accounts of a Tandem exchange. Made by \"tandem nats-config\": make it anew")
	w.line("# instead of changing it. It holds no secrets but hashes and public keys.")
	w.line("")
	w.open("accounts {")
	for _, role := range Roles(p.Kinds) {
		if err := p.account(w, k, role); err != nil {
			return "", err
		}
	}
	c, err := k.of(p.Auth, System)
	if err != nil {
		return "", err
	}
	w.open(quote(accountName(System)) + " {")
	w.open("users: [")
	user, err := c.user(System)
	if err != nil {
		return "", err
	}
	w.open("{ " + user)
	w.open("permissions: {")
	w.list("publish: { allow: [", []string{"$SYS.REQ.>"}, "] }")
	w.list("subscribe: { allow: [", []string{"$SYS.>", "_INBOX.>"}, "] }")
	w.close("}")
	w.close("}")
	w.close("]")
	w.close("}")
	w.close("}")
	w.line("system_account: " + quote(accountName(System)))
	return w.String(), nil
}

// account renders one role's.
func (p *Plan) account(w *writer, k keys, role string) error {
	w.open(quote(accountName(role)) + " {")
	switch own := streams(role); {
	case len(own) == 0:
	case Foreign(role) == nil:
		w.line("jetstream: enabled")
	default:
		w.line(fmt.Sprintf("jetstream: { max_memory: 0, max_store: %d, max_streams: %d, max_consumers: 1024 }",
			p.AdapterStore*p.copies(), len(own)))
	}
	w.open("users: [")
	for _, id := range p.identities(role) {
		c, err := k.of(p.Auth, id.name())
		if err != nil {
			return err
		}
		user, err := c.user(id.name())
		if err != nil {
			return err
		}
		w.open("{ " + user)
		w.open("permissions: {")
		w.list("publish: { allow: [", forNode(publishes(role, p.Kinds), id.node), "] }")
		w.list("subscribe: { allow: [", forNode(subscribes(role), id.node), "] }")
		w.close("}")
		w.close("}")
	}
	w.close("]")
	var exports, imports []string
	for _, c := range crossings(p.Kinds) {
		subject := quote(anyNode(c.subject))
		switch role {
		case c.to:
			exports = append(exports, fmt.Sprintf("{ service: %s, accounts: [%s] }", subject, quote(accountName(c.from))))
		case c.from:
			as := ""
			if c.as != "" {
				as = ", to: " + quote(c.as)
			}
			imports = append(imports, fmt.Sprintf("{ service: { account: %s, subject: %s }%s }", quote(accountName(c.to)), subject, as))
		}
	}
	w.items("exports: [", exports, "]")
	w.items("imports: [", imports, "]")
	w.close("}")
	return nil
}

// accountName keeps ours apart from others of a shared cluster.
func accountName(role string) string { return "tandem-" + role }

// user renders how an identity proves itself.
func (c credential) user(name string) (string, error) {
	if c.nkey != "" {
		return "nkey: " + c.nkey, nil
	}
	hash, err := hashPassword(c.password)
	if err != nil {
		return "", err
	}
	return "user: " + quote(name) + ", password: " + quote(hash), nil
}

func quote(s string) string { return strconv.Quote(s) }

// writer writes indented lines.
type writer struct {
	strings.Builder
	depth int
}

func (w *writer) line(text string) {
	if text != "" {
		w.WriteString(strings.Repeat("  ", w.depth))
	}
	w.WriteString(text + "\n")
}

func (w *writer) open(text string) {
	w.line(text)
	w.depth++
}

func (w *writer) close(text string) {
	w.depth--
	w.line(text)
}

// list writes texts in quotes, items as they are; nothing if there are none.
func (w *writer) list(head string, texts []string, end string) {
	quoted := make([]string, 0, len(texts))
	for _, t := range texts {
		quoted = append(quoted, quote(t))
	}
	w.items(head, quoted, end)
}

func (w *writer) items(head string, items []string, end string) {
	if len(items) == 0 {
		return
	}
	w.open(head)
	for _, i := range items {
		w.line(i)
	}
	w.close(end)
}
