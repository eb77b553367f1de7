package natsconf

import (
	"slices"
	"strings"
)

// Roles besides the adapters' kinds. Admin is the operator's identity, which
// reads call records.
const (
	CallState = "callstate"
	Directory = "directory"
	Media     = "media"
	Admin     = "admin"
)

// System is the identity of NATS's own system account, for its operator's tools.
const System = "system"

// journalAPI is under which name the operator's account has the journal's API:
// its own account answers under the usual one.
const journalAPI = "tandem.journal.API"

// node stands in a subject for the node that sends or receives.
const node = "{node}"

// Roles lists the identities of an exchange with these adapter kinds.
func Roles(kinds []string) []string {
	return append([]string{CallState, Directory, Media, Admin}, kinds...)
}

// crossing is a subject on which one role asks, or tells, another one.
type crossing struct {
	from, to string
	// subject as its sender may use it, with {node} for its own name.
	subject string
	// as is the subject's name in the sender's account, if it is another one.
	as string
}

// crossings lists all that roles have to say to each other. Nothing else passes
// between their accounts.
func crossings(kinds []string) []crossing {
	out := []crossing{
		{from: CallState, to: Directory, subject: "dir.v1.callstate." + node},
		{from: CallState, to: Media, subject: "media.v1.cmd.*.*"},
		{from: Media, to: CallState, subject: "call.v1.cmd.media." + node + ".*.*"},
		{from: Media, to: CallState, subject: "$KV.nodes.media." + node},
	}
	for _, api := range []string{".STREAM.INFO.CALLS", ".STREAM.MSG.GET.CALLS"} {
		out = append(out, crossing{from: Admin, to: CallState, subject: "$JS.API" + api, as: journalAPI + api})
	}
	for _, k := range kinds {
		out = append(out,
			crossing{from: k, to: CallState, subject: "call.v1.cmd." + k + "." + node + ".*.*"},
			crossing{from: k, to: CallState, subject: "call.v1.calls." + k + "." + node},
			crossing{from: k, to: CallState, subject: "$KV.nodes." + k + "." + node},
			crossing{from: k, to: CallState, subject: "$KV.terminals." + k + "." + node + ".*"},
			crossing{from: k, to: Directory, subject: "dir.v1." + k + "." + node},
			crossing{from: k, to: Media, subject: "call.v1.sig.*." + k + "." + node + ".*"},
			crossing{from: CallState, to: k, subject: "call.v1.ev." + k + ".*.*"},
		)
	}
	return out
}

// anyNode is the subject for all nodes, as accounts let it pass.
func anyNode(subject string) string { return strings.ReplaceAll(subject, node, "*") }

// streams are what a role keeps in its own account.
func streams(role string) []string {
	switch role {
	case CallState:
		return []string{"CALLS", "KV_own", "KV_nodes", "KV_terminals"}
	case Directory:
		return []string{"KV_directory", "KV_wakes"}
	case Media, Admin:
		return nil
	}
	return []string{"KV_adapter"}
}

// serves are the subjects that a role listens on, besides its inbox.
func serves(role string) []string {
	switch role {
	case CallState:
		return []string{"call.v1.cmd.*.*.*.*", "call.v1.calls.*.*"}
	case Directory:
		return []string{"dir.v1.*.*"}
	case Media:
		return []string{"media.v1.cmd." + node + ".*", "call.v1.sig." + node + ".*.*.*"}
	case Admin:
		return nil
	}
	return []string{"call.v1.ev." + role + "." + node + ".*"}
}

// publishes lists what a role's identity may send, within its account and out of
// it.
func publishes(role string, kinds []string) []string {
	var out []string
	for _, c := range crossings(kinds) {
		switch {
		case c.from == role && c.as != "":
			out = append(out, c.as)
		case c.from == role:
			out = append(out, c.subject)
		}
	}
	if len(serves(role)) > 0 {
		out = append(out, "_R_.>") // answers to other accounts
	}
	if role == CallState {
		out = append(out, "call.v1.cmd.callstate."+node+".*.*", "_INBOX.callstate.>", "call.v1.rec.>", "call.v1.pair.>")
	}
	for _, s := range streams(role) {
		if bucket, ok := strings.CutPrefix(s, "KV_"); ok {
			out = append(out, "$KV."+bucket+".>")
		}
		for _, api := range []string{"STREAM.INFO.", "STREAM.CREATE.", "STREAM.UPDATE.", "STREAM.MSG.GET."} {
			out = append(out, "$JS.API."+api+s)
		}
		if s != "CALLS" { // which is read record by record
			out = append(out, "$JS.API.CONSUMER.CREATE."+s+".>", "$JS.API.CONSUMER.DELETE."+s+".*", "$JS.FC."+s+".>")
		}
	}
	return out
}

// subscribes lists what a role's identity may listen on.
func subscribes(role string) []string {
	return append([]string{"_INBOX." + role + "." + node + ".>"}, serves(role)...)
}

// forNode puts a node's name, or "*", into subjects.
func forNode(subjects []string, name string) []string {
	out := slices.Clone(subjects)
	for i := range out {
		out[i] = strings.ReplaceAll(out[i], node, name)
	}
	return out
}

// Foreign lists the streams that a role uses although they are another one's.
func Foreign(role string) []string {
	switch role {
	case CallState, Directory:
		return nil
	case Media:
		return []string{"KV_nodes"}
	case Admin:
		return []string{"CALLS"}
	}
	return []string{"KV_nodes", "KV_terminals"}
}

// APIPrefix gives the name under which a role reaches JetStream's API; empty for
// the usual one.
func APIPrefix(role string) string {
	if role == Admin {
		return journalAPI
	}
	return ""
}
