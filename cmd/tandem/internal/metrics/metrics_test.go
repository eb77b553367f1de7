package metrics

import (
	"fmt"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/services/callstate"
	"github.com/tandem-rtc/tandem/services/media"
)

var (
	_ kit.Recorder      = (*Recorder)(nil)
	_ callstate.Metrics = Calls{}
	_ media.Metrics     = Media{}
)

// values gives the values of a metric family by its labels.
func values(t *testing.T, m *Metrics, name string) map[string]float64 {
	t.Helper()
	families, err := m.Registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		if f.GetName() != name {
			continue
		}
		for _, s := range f.GetMetric() {
			key := ""
			for _, l := range s.GetLabel() {
				key += l.GetName() + "=" + l.GetValue() + " "
			}
			switch {
			case s.GetCounter() != nil:
				out[key] = s.GetCounter().GetValue()
			case s.GetGauge() != nil:
				out[key] = s.GetGauge().GetValue()
			default:
				out[key] = float64(s.GetHistogram().GetSampleCount())
			}
		}
	}
	return out
}

func TestRecords(t *testing.T) {
	m := New("v1")
	r := m.Adapter("sylkrtc")
	r.Command("offer", "ok", time.Millisecond)
	r.Event("incoming", "delivered", time.Millisecond)
	r.GiveUp("started")
	r.Terminals(3)
	r.Legs(2)
	r.Count("bad_frames", 4)
	r.Count("bad_frames", -1)
	r.Gauge("connections", 5)
	c := m.CallState()
	c.Command("offer", "ok", time.Millisecond)
	c.CallPlaced()
	c.CallSetUp("sylkrtc", "grpcpipe", "answered", time.Second)
	c.CallEnded("sylkrtc", "grpcpipe", "normal", time.Minute)
	c.CallEnded("sylkrtc", "", "busy", 0)
	c.Partitions(64)
	c.JournalUsed(.5)
	c.Conflict()
	c.EventRetry()
	c.Live(7)
	n := m.Media("commands", "refused")
	n.Count("commands", 2)
	n.Gauge("legs", 8)
	n.Observe("connect_seconds", time.Second)
	for _, tt := range []struct {
		name, labels string
		want         float64
	}{
		{"tandem_adapter_command_seconds", "command=offer kind=sylkrtc outcome=ok ", 1},
		{"tandem_adapter_event_seconds", "event=incoming kind=sylkrtc outcome=delivered ", 1},
		{"tandem_adapter_legs_given_up_total", "kind=sylkrtc outcome=started ", 1},
		{"tandem_media_total", "name=refused ", 0}, // there before it is counted
		{"tandem_adapter_terminals", "kind=sylkrtc ", 3},
		{"tandem_adapter_legs", "kind=sylkrtc ", 2},
		{"tandem_adapter_total", "kind=sylkrtc name=bad_frames ", 4},
		{"tandem_adapter_present", "kind=sylkrtc name=connections ", 5},
		{"tandem_call_command_seconds", "command=offer outcome=ok ", 1},
		{"tandem_calls_placed_total", "", 1},
		{"tandem_calls_ended_total", "callee=none caller=sylkrtc reason=busy ", 1},
		{"tandem_call_setup_seconds", "callee=grpcpipe caller=sylkrtc stage=answered ", 1},
		{"tandem_call_partitions_owned", "", 64},
		{"tandem_journal_used_ratio", "", .5},
		{"tandem_call_duration_seconds", "callee=grpcpipe caller=sylkrtc ", 1},
		{"tandem_call_commit_conflicts_total", "", 1},
		{"tandem_call_event_retries_total", "", 1},
		{"tandem_calls_live", "", 7},
		{"tandem_media_total", "name=commands ", 2},
		{"tandem_media_present", "name=legs ", 8},
		{"tandem_media_seconds", "name=connect_seconds ", 1},
		{"tandem_build_info", "version=v1 ", 1},
	} {
		if got, ok := values(t, m, tt.name)[tt.labels]; !ok || got != tt.want {
			t.Errorf("%s{%s}: %v, want %v", tt.name, tt.labels, got, tt.want)
		}
	}
}

func TestNamesAreBounded(t *testing.T) {
	m := New("v1")
	for i := range 10 * maxNames {
		m.Adapter("a").Count(fmt.Sprint("n", i), 1)
	}
	if n := len(values(t, m, "tandem_adapter_total")); n != maxNames+1 {
		t.Errorf("%d series", n)
	}
	// What stands in records comes from other processes.
	for i := range 10 * maxNames {
		m.CallState().CallEnded(fmt.Sprint("k", i), "a", "normal", 0)
	}
	if n := len(values(t, m, "tandem_calls_ended_total")); n != maxNames {
		t.Errorf("%d series of calls", n)
	}
}
