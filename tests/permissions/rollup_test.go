package permissions

import (
	"bytes"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// rollUp writes rows that an adapter may write, with the header by which
// JetStream would empty everything else in the table.
func rollUp(t *testing.T, thief identity) {
	t.Helper()
	for _, subject := range []string{"$KV.nodes.sylkrtc.thief", "$KV.terminals.sylkrtc.thief.t1"} {
		m := nats.NewMsg(subject)
		m.Header.Set("Nats-Rollup", "all")
		m.Data = []byte("{}")
		answer, err := thief.nc.RequestMsg(m, 10*time.Second)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(answer.Data, []byte(`"err_code":10111`)) { // rollup not permitted
			t.Errorf("%s rolled up: %s", subject, answer.Data)
		}
	}
}

// The tables of nodes and terminals are everybody's: who may write rows of its
// own must not be able to remove those of others.
func TestAnAdapterCannotEmptyATable(t *testing.T) {
	x := harness.StartExchange(t, binary, harness.Split, harness.Options{})
	thief, owner := steal(t, x, "sylkrtc"), steal(t, x, "callstate")
	rows := map[string]string{"$KV.nodes.grpcpipe.victim": "KV_nodes", "$KV.terminals.grpcpipe.victim.t1": "KV_terminals"}
	for subject := range rows {
		if _, err := owner.nc.Request(subject, []byte("{}"), 10*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	rollUp(t, thief)
	for subject, stream := range rows {
		if !holds(t, owner.nc, stream, subject) {
			t.Errorf("%s was removed by another adapter", subject)
		}
	}
}
