package bridge

import (
	"math/rand/v2"
	"testing"
)

func sequences(f *fake) (list []uint16) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, s := range f.sent {
		list = append(list, s.header.SequenceNumber)
	}
	return list
}

func TestNoSequenceNumberIsSentTwice(t *testing.T) {
	a, b := pair()
	j := Join(a.end, b.end)
	defer j.Close()
	for _, tt := range []struct {
		what     string
		sequence uint16
		forwards bool
	}{
		{"first", 65530, true},
		{"again", 65530, false},
		{"after a gap", 4, true},
		{"recovered", 65533, true},
		{"recovered twice", 65533, false},
		{"from before the first", 65529, true},
		{"far ahead", 4 + 3000, true},
		{"just old enough", 4 + 3000 - windowSize + 1, true},
		{"too old", 4 + 3000 - windowSize, false},
		{"one that was skipped", 4 + 2999, true},
	} {
		before := len(sequences(b))
		a.sink.Packet(0, packet(5, 111, tt.sequence, 1), []byte{1})
		if got := len(sequences(b)) > before; got != tt.forwards {
			t.Errorf("%s: forwarded %v", tt.what, got)
		}
	}
}

func TestLatePacketsDoNotTakeTheNumbersOfDigitsOrOfAnotherSource(t *testing.T) {
	a, b := pair()
	j := Join(a.end, b.end)
	defer j.Close()
	a.sink.Packet(0, packet(5, 111, 10, 1), []byte{1})
	s := b.end.stream(1, 0)
	s.mu.Lock()
	s.insert(101, 1, true)
	s.mu.Unlock()
	a.sink.Packet(0, packet(5, 111, 9, 1), []byte{1}) // would become 10
	a.sink.Packet(0, packet(5, 111, 8, 1), []byte{1}) // would become 9
	a.sink.Packet(0, packet(5, 111, 12, 1), []byte{1})
	a.sink.Packet(0, packet(5, 111, 11, 1), []byte{1}) // late, and still to be had
	a.sink.Packet(0, packet(6, 111, 700, 1), []byte{1})
	a.sink.Packet(0, packet(6, 111, 699, 1), []byte{1}) // would become the other's 13
	if got, want := sequences(b), []uint16{10, 13, 12, 14}; len(got) != len(want) || got[1] != 13 || got[2] != 12 || got[3] != 14 {
		t.Errorf("sent %v, want %v", got, want)
	}
}

// The window does as a set of all numbers does.
func TestWindowIsASet(t *testing.T) {
	var w window
	used := map[int]bool{}
	newest := 100_000
	last := uint16(newest % 65536)
	for range 200_000 {
		n := newest + rand.IntN(2200) - 2000 //nolint:gosec // a test
		want := n > newest-windowSize && !used[n]
		number := uint16(n % 65536) //nolint:gosec // below
		if got := w.take(number, last); got != want {
			t.Fatalf("%d after %d: %v", n, newest, got)
		}
		if want {
			used[n] = true
		}
		if want && n > newest {
			newest, last = n, number
		}
	}
}
