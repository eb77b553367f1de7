package permissions

import "slices"

// services are the roles besides the adapters' kinds.
var services = []string{"callstate", "directory", "media", "admin", "system"}

// operation is something that only some roles may do.
type operation struct {
	does string
	// subject to send to, or to listen on.
	subject string
	listen  bool
	// by are the roles that may.
	by []string
}

// operations is the table of all that is somebody's alone: what there is to send
// to and to listen on, with who may. Everybody else is to be refused.
func operations(kinds []string) (out []operation) {
	roles := append(slices.Clone(services), kinds...)
	send := func(does, subject string, by ...string) { out = append(out, operation{does, subject, false, by}) }
	listen := func(does, subject string, by ...string) { out = append(out, operation{does, subject, true, by}) }

	listen("hear everything", ">")
	listen("hear all calls' traffic", "call.v1.>")
	listen("hear all inboxes", "_INBOX.>", "system")
	listen("watch stored keys as they are written", "$KV.>")
	listen("hear JetStream's API", "$JS.API.>")
	listen("take commands", "call.v1.cmd.*.*.*.*", "callstate")
	listen("take questions for a subscriber's calls", "call.v1.calls.*.*", "callstate")
	listen("take questions to the directory", "dir.v1.*.*", "directory")
	listen("take media commands", "media.v1.cmd.thief.*", "media")
	listen("take another media node's commands", "media.v1.cmd.*.*", "media")
	listen("take signals", "call.v1.sig.thief.*.*.*", "media")
	listen("see records as they are written", "call.v1.rec.>")
	listen("hear the servers", "$SYS.SERVER.>", "system")
	for _, r := range roles {
		if r != "system" { // which is alone in its account, and hears nobody
			listen("hear the answers to "+r, "_INBOX."+r+".thief.>", r, "system")
		}
	}

	send("command the media", "media.v1.cmd.m1.c1", "callstate")
	send("write a call's record", "call.v1.rec.5.c1.a.b", "callstate")
	send("write a pair's record", "call.v1.pair.a.b", "callstate")
	send("answer call state's own inbox", "_INBOX.callstate.n1.x", "callstate")
	for _, k := range kinds {
		listen("take events of "+k, "call.v1.ev."+k+".thief.*", k)
		send("send an event to "+k, "call.v1.ev."+k+".n1.l1", "callstate")
		send("signal as "+k, "call.v1.sig.m1."+k+".thief.l1", k)
		send("put a terminal of "+k, "$KV.terminals."+k+".thief.t1", "callstate", k)
		send("ask for a subscriber's calls as "+k, "call.v1.calls."+k+".thief", k)
	}
	for _, r := range append([]string{"callstate", "media"}, kinds...) {
		send("send a command as "+r, "call.v1.cmd."+r+".thief.5.c1", r)
		send("announce a node of "+r, "$KV.nodes."+r+".thief", slices.Compact([]string{"callstate", r})...)
	}
	for _, r := range append([]string{"callstate"}, kinds...) {
		send("ask the directory as "+r, "dir.v1."+r+".thief", r)
	}
	send("take a lease", "$KV.own.p.5", "callstate")
	send("change a subscriber", "$KV.directory.sub.alice", "directory")
	send("say what was sent to a device", "$KV.wakes.x", "directory")
	send("write an adapter's store", "$KV.adapter.x", kinds...)

	for stream, owner := range map[string][]string{
		"CALLS": {"callstate"}, "KV_own": {"callstate"}, "KV_nodes": {"callstate"}, "KV_terminals": {"callstate"},
		"KV_directory": {"directory"}, "KV_wakes": {"directory"}, "KV_adapter": kinds,
	} {
		send("read "+stream, "$JS.API.STREAM.MSG.GET."+stream, owner...)
		send("read "+stream+" directly", "$JS.API.DIRECT.GET."+stream)
		send("measure "+stream, "$JS.API.STREAM.INFO."+stream, owner...)
		send("make "+stream, "$JS.API.STREAM.CREATE."+stream, owner...)
		send("change "+stream, "$JS.API.STREAM.UPDATE."+stream, owner...)
		send("remove "+stream, "$JS.API.STREAM.DELETE."+stream)
		send("empty "+stream, "$JS.API.STREAM.PURGE."+stream)
		send("remove a message of "+stream, "$JS.API.STREAM.MSG.DELETE."+stream)
		send("copy "+stream, "$JS.API.STREAM.SNAPSHOT."+stream)
		if stream == "CALLS" {
			owner = nil // which is read record by record
		}
		send("watch "+stream, "$JS.API.CONSUMER.CREATE."+stream+".c.x", owner...)
	}
	send("read the journal as the operator", "tandem.journal.API.STREAM.MSG.GET.CALLS", "admin")
	send("measure the journal as the operator", "tandem.journal.API.STREAM.INFO.CALLS", "admin")
	send("list streams", "$JS.API.STREAM.LIST")
	send("ask for the account's use", "$JS.API.INFO")
	send("ask servers for their state", "$SYS.REQ.SERVER.PING", "system")
	send("reload a server", "$SYS.REQ.SERVER.x.RELOAD", "system")
	return out
}
