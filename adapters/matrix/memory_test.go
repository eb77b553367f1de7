package matrix

import (
	"testing"
	"time"
)

func TestRecentForgetsTheOldest(t *testing.T) {
	r := newRecent[int](3)
	for i := range 5 {
		if !r.add(i) {
			t.Fatalf("%d was there", i)
		}
	}
	for i := range 5 {
		if r.has(i) != (i >= 2) {
			t.Errorf("%d is known: %v", i, r.has(i))
		}
	}
	if r.add(4) {
		t.Error("4 was new again")
	}
}

func TestParking(t *testing.T) {
	now := time.Now()
	var p parking
	p.put(parked{"a", now.Add(time.Minute), incoming{id: "$1"}})
	p.put(parked{"b", now.Add(time.Minute), incoming{id: "$2"}})
	p.put(parked{"a", now.Add(-time.Second), incoming{id: "$3"}})
	if got := p.take("a", now); len(got) != 1 || got[0].id != "$1" {
		t.Errorf("a has %v: what waited too long is dropped", got)
	}
	if got := p.take("b", now); len(got) != 1 || len(p.cars) != 0 {
		t.Errorf("b has %v, %d are left", got, len(p.cars))
	}
	for range maxParked + 5 {
		p.put(parked{"c", now.Add(time.Minute), incoming{}})
	}
	if len(p.cars) != maxParked {
		t.Errorf("%d wait", len(p.cars))
	}
}

func TestAdmit(t *testing.T) {
	cfg := Defaults()
	cfg.CallsPerMinute = 3
	now := time.Now()
	x, u := &term{cfg: cfg}, &user{tokens: 3, filled: now}
	var got []verdict
	for range 8 {
		got = append(got, x.admit(u, now))
	}
	want := []verdict{granted, granted, granted, refused, refused, refused, ignored, ignored}
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("the verdicts are %v, want %v", got, want)
		}
	}
	if v := x.admit(u, now.Add(2*time.Minute)); v != granted {
		t.Errorf("two minutes later: %v", v)
	}
}
