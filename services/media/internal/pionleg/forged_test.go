package pionleg

import (
	"slices"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/stun/v4"
)

// record is a record of DTLS that nothing protects (RFC 6347 section 4.1).
func record(kind byte, epoch byte, sequence byte, body ...byte) []byte {
	return append([]byte{kind, 254, 253, 0, epoch, 0, 0, 0, 0, 0, sequence, 0, byte(len(body))}, body...)
}

// Who can send in a terminal's name, from its address, cannot end its call: what
// is not protected, or not by the terminal, is nobody's word.
func TestForgedPacketsEndNoCall(t *testing.T) {
	e := open(t, Config{KeepAlive: beat})
	n := newNAT(t, e)
	c, l := n.connect(e)
	sequence := uint16(0)
	closed, fatal := []byte{1, 0}, []byte{2, 40}
	hello := record(22, 0, 7, 1, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0)
	stunned := func(kind stun.MessageType) []byte {
		m, err := stun.Build(stun.TransactionID, kind)
		if err != nil {
			t.Fatal(err)
		}
		return m.Raw
	}
	for what, forged := range map[string][]byte{
		"close_notify":           record(21, 0, 9, closed...),
		"a fatal alert":          record(21, 0, 10, fatal...),
		"an alert after another": slices.Concat(hello, record(21, 0, 11, fatal...)),
		"an alert of epoch 1":    record(21, 1, 99, append(fatal, make([]byte, 24)...)...),
		"an alert of epoch 2":    record(21, 2, 1, fatal...),
		"a hello":                hello,
		"a change of keys":       record(20, 0, 12, 1),
		"data":                   record(23, 0, 13, 1, 2, 3),
		"a change that is none":  record(20, 0, 15, 2, 2),
		"another kind":           record(24, 0, 16, 1),
		"a record of DTLS 1.3":   record(0x2f, 0, 17, 1),
		"a record without end":   {22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 14, 255, 255, 2, 40},
		"a half handshake":       record(22, 0, 18, 1, 0, 255, 255, 0, 9, 0, 0, 0, 0, 0, 0),
		"half a record":          {21, 254, 253, 0},
		"goodbye":                {0x80, 203, 0, 1, 0, 0, 0, 1},
		"RTP":                    append([]byte{0x80, 111, 0, 1, 0, 0, 0, 1, 0, 0, 0, 9}, make([]byte, 40)...),
		"a check":                stunned(stun.BindingRequest),
		"an error":               stunned(stun.BindingError),
		"an indication":          stunned(stun.NewType(stun.MethodBinding, stun.ClassIndication)),
	} {
		n.mu.Lock()
		_, err := n.outer.Write(forged)
		n.mu.Unlock()
		if err != nil {
			t.Fatal(err)
		}
		before := c.Audio.Load()
		for deadline := time.Now().Add(patience); c.Audio.Load() < before+4; {
			if time.Now().After(deadline) || !l.Connected() {
				t.Fatalf("%s: the leg is connected: %v", what, l.Connected())
			}
			sequence++
			l.Send(0, &rtp.Header{PayloadType: l.Session().Lines[0].Codecs[0].PayloadType, SequenceNumber: sequence}, []byte{1})
			<-time.After(5 * time.Millisecond)
		}
	}
}

func TestForged(t *testing.T) {
	for what, tt := range map[string]struct {
		datagram []byte
		want     bool
	}{
		"an alert":                    {record(21, 0, 1, 2, 40), true},
		"a protected alert":           {record(21, 1, 1, 2, 40), false},
		"after a handshake":           {slices.Concat(record(22, 0, 1, 1, 2, 3), record(21, 0, 2, 2, 40)), true},
		"before a handshake":          {slices.Concat(record(21, 0, 2, 2, 40), record(22, 0, 1, 1)), true},
		"data":                        {record(23, 0, 1, 1), true},
		"protected data":              {record(23, 1, 1, 1), false},
		"a handshake":                 {record(22, 0, 1, 21, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0), false},
		"a flight that is told again": {slices.Concat(record(22, 0, 1, 11), record(20, 0, 2, 1), record(22, 1, 0, 20)), false},
		"a change that is none":       {record(20, 0, 2, 2), true},
		"an empty change":             {record(20, 0, 2), true},
		"another kind":                {record(24, 0, 1, 1), true},
		"cut off":                     {[]byte{22, 254, 253, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255, 21}, false},
		"nothing":                     {nil, false},
	} {
		if got := forged(tt.datagram); got != tt.want {
			t.Errorf("%s: %v", what, got)
		}
	}
}
