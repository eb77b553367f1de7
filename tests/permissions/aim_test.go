package permissions

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/natstest"
)

// targets are where an adapter would have others write for it: whoever answers a
// request sends to the subject that the request names.
var targets = []string{
	"call.v1.rec.5.intruder.a.b", // a record
	"$KV.own.intruder",           // a lease
	"$KV.nodes.grpcpipe.intruder",
	"$KV.terminals.grpcpipe.n1.intruder",
}

// bait is what the adapter may store.
const bait = "$KV.adapter.sylkrtc.bait"

// aim has everybody who answers an adapter answer to the targets, and JetStream
// deliver what the adapter stored there.
func aim(t *testing.T, nc *nats.Conn) {
	t.Helper()
	ask := []string{
		"dir.v1.sylkrtc.thief", "call.v1.calls.sylkrtc.thief", "call.v1.cmd.sylkrtc.thief.5.c1",
		"$KV.nodes.sylkrtc.thief", bait, "$JS.API.STREAM.INFO.KV_adapter",
	}
	for i, target := range targets {
		for _, subject := range ask {
			if err := nc.PublishRequest(subject, target, []byte(`{"node":"thief"}`)); err != nil {
				t.Fatal(err)
			}
		}
		name := "c" + string(rune('0'+i))
		config, err := json.Marshal(map[string]any{"stream_name": "KV_adapter", "config": map[string]any{
			"name": name, "deliver_subject": target, "ack_policy": "none", "deliver_policy": "all", "filter_subject": bait,
		}})
		if err != nil {
			t.Fatal(err)
		}
		m, err := nc.Request("$JS.API.CONSUMER.CREATE.KV_adapter."+name+"."+bait, config, 10*time.Second)
		if err != nil || bytes.Contains(m.Data, []byte(`"error"`)) {
			t.Fatalf("a consumer of its own: %v %s", err, m.Data)
		}
	}
	if err := nc.FlushTimeout(10 * time.Second); err != nil {
		t.Fatal(err)
	}
}

// holds reports whether a stream has a message on a subject.
func holds(t *testing.T, nc *nats.Conn, stream, subject string) bool {
	t.Helper()
	m, err := nc.Request("$JS.API.STREAM.MSG.GET."+stream, []byte(`{"last_by_subj":"`+subject+`"}`), 10*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(m.Data, []byte(`"message"`)) && !bytes.Contains(m.Data, []byte(`"err_code":10037`)) {
		t.Fatalf("%s", m.Data)
	}
	return bytes.Contains(m.Data, []byte(`"message"`))
}

var streamOf = map[string]string{
	targets[0]: "CALLS", targets[1]: "KV_own", targets[2]: "KV_nodes", targets[3]: "KV_terminals",
}

// Answers and deliveries cannot be aimed at what their receiver may not write.
func TestAnAdapterCannotHaveOthersWriteForIt(t *testing.T) {
	x := harness.StartExchange(t, binary, harness.Split, harness.Options{})
	thief, owner := steal(t, x, "sylkrtc"), steal(t, x, "callstate")
	aim(t, thief.nc)
	call(t, x)
	for _, target := range targets {
		if holds(t, owner.nc, streamOf[target], target) {
			t.Errorf("%s was written", target)
		}
	}
}

// Where all share an account, the same works: permissions alone would not do.
func TestAimingWorksWithinOneAccount(t *testing.T) {
	nc, err := nats.Connect(natstest.External(t).Config().URL)
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	for stream, subject := range map[string]string{
		"CALLS": "call.v1.rec.>", "KV_own": "$KV.own.>", "KV_nodes": "$KV.nodes.>", "KV_terminals": "$KV.terminals.>", "KV_adapter": "$KV.adapter.>",
	} {
		if _, err := js.AddStream(&nats.StreamConfig{Name: stream, Subjects: []string{subject}}); err != nil {
			t.Fatal(err)
		}
	}
	aim(t, nc)
	harness.Eventually(t, 10*time.Second, "what was aimed arrives", func() (bool, string) {
		for _, target := range targets {
			if !holds(t, nc, streamOf[target], target) {
				return false, target
			}
		}
		return true, ""
	})
}
