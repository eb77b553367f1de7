package sylkrtc

import "encoding/json"

// updateBook changes one entry of an address book.
type updateBook struct {
	account, action, kind, id string
	data                      json.RawMessage // the entry, compact
}

// parseUpdateBook reads an entry. For a deletion its id alone is enough: clients
// send that for groups and policies.
func parseUpdateBook(f *fields) request {
	r := &updateBook{account: f.aor("account"), action: f.text("action"), kind: f.text("type")}
	switch r.action {
	case "add", "update", "delete":
	default:
		f.invalid("action")
	}
	switch r.kind {
	case "contact", "group", "policy":
	default:
		f.invalid("type")
	}
	raw, there := f.m["data"]
	if !there {
		f.missing("data")
		return r
	}
	if id, ok := textOf(raw); ok && r.action == "delete" {
		raw, _ = marshal(map[string]string{"id": id})
	}
	var e map[string]json.RawMessage
	if len(raw) > maxEntry || json.Unmarshal(raw, &e) != nil || e == nil {
		f.invalid("data")
		return r
	}
	r.check(f, e)
	if f.wrong == "" {
		r.data, _ = marshal(e) // what came as JSON can be written
	}
	return r
}

// classes are what the protocol's own server calls entries.
func (r *updateBook) class() string {
	switch r.kind {
	case "contact":
		return "Contact"
	case "group":
		return "Group"
	}
	return "Policy"
}

// check looks at the fields that clients rely on, and completes a contact.
func (r *updateBook) check(f *fields, e map[string]json.RawMessage) {
	g := fields{m: e, class: r.class()}
	r.id = g.id("id")
	if r.action == "delete" {
		f.fail(g.wrong)
		return
	}
	g.text("name")
	switch r.kind {
	case "contact":
		r.checkContact(&g)
	case "group":
		if _, ok := objects(e["contacts"], maxGroup); e["contacts"] != nil && !ok {
			g.invalid("contacts")
		} else if e["contacts"] == nil {
			e["contacts"] = json.RawMessage("[]")
		}
	default:
		g.text("uri")
	}
	f.fail(g.wrong)
}

const (
	maxURIs  = 32
	maxGroup = 1000
)

// checkContact requires addresses, and names the default one as clients look for
// it.
func (r *updateBook) checkContact(g *fields) {
	e := g.m
	if e["uris"] == nil {
		g.missing("uris")
		return
	}
	uris, ok := objects(e["uris"], maxURIs)
	if !ok {
		g.invalid("uris")
		return
	}
	for _, u := range uris {
		one := fields{m: u, class: "ContactURI"}
		one.text("uri")
		g.fail(one.wrong)
	}
	if raw, old := e["default_uri"]; old && e["defaultUri"] == nil {
		e["defaultUri"] = raw
		delete(e, "default_uri")
	}
	if raw := e["defaultUri"]; (raw == nil || isNull(raw)) && len(uris) > 0 {
		if first, ok := marshal(uris[0]); ok {
			e["defaultUri"] = first
		}
	}
}
