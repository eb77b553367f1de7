package natsbus

import (
	"errors"
	"testing"

	"github.com/tandem-rtc/tandem/bus"
)

func TestAcknowledgements(t *testing.T) {
	for _, c := range []struct {
		ack  string
		seq  uint64
		want error
	}{
		{`{"stream":"CALLS","seq":7}`, 7, nil},
		{`{"stream":"CALLS", "seq": 12345678901234567890}`, 12345678901234567890, nil},
		{`{"stream":"CALLS","seq":9,"batch":"x","count":2}`, 9, nil},
		{`{"stream":"CALLS","domain":"hub","seq":3,"duplicate":true}`, 3, nil},
		{`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"CALLS","seq":0}`, 0, bus.ErrConflict},
		{`{"error":{"code":400,"err_code":10164,"description":"wrong last sequence"},"stream":"CALLS","seq":0}`, 0, bus.ErrConflict},
		{`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"},"stream":"CALLS","seq":0}`, 0, bus.ErrFull},
		{`{"error":{"code":503,"err_code":10077,"description":"disk on fire"},"stream":"CALLS","seq":0}`, 0, bus.ErrUnavailable},
		{`{"error":{"code":500,"err_code":10047,"description":"insufficient storage resources available"}}`, 0, bus.ErrFull},
		{`{"error":{"code":400,"err_code":10054,"description":"message size exceeds maximum allowed"}}`, 0, bus.ErrTooLarge},
		{`{"error":{"code":400,"err_code":10176,"description":"atomic publish batch is incomplete"}}`, 0, bus.ErrUnavailable},
		{`{"error":{"code":503,"err_code":10008,"description":"JetStream system temporarily unavailable"}}`, 0, bus.ErrUnavailable},
		{`{"stream":"CALLS","seq":0}`, 0, bus.ErrUnavailable},
		{`{"stream":"CALLS"}`, 0, bus.ErrUnavailable},
		{`{"seq":`, 0, bus.ErrUnavailable},
		{`hello`, 0, bus.ErrUnavailable},
		{``, 0, bus.ErrUnavailable},
	} {
		seq, err := parseAck([]byte(c.ack))
		if seq != c.seq || !errors.Is(err, c.want) {
			t.Errorf("%s: %d, %v", c.ack, seq, err)
		}
	}
}

// Whatever comes, it is a sequence or a refusal, never both or neither.
func FuzzAcknowledgements(f *testing.F) {
	f.Add([]byte(`{"stream":"CALLS","seq":7}`))
	f.Add([]byte(`{"error":{"code":400,"err_code":10071,"description":"wrong last sequence: 3"},"stream":"CALLS","seq":0}`))
	f.Add([]byte(`{"seq": 99999999999999999999999999}`))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, ack []byte) {
		if seq, err := parseAck(ack); (seq == 0) == (err == nil) {
			t.Errorf("%d, %v", seq, err)
		}
		_, _ = parseStored(ack)
	})
}
