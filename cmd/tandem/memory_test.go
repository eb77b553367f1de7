package main

import (
	"runtime"
	"testing"
	"time"
)

func TestGarbageIsBounded(t *testing.T) {
	for live, want := range map[uint64]int{
		0: 400, 1 << 20: 400, 128 << 20: 400, 256 << 20: 200, 512 << 20: 100, 4 << 30: 100, 1 << 63: 100,
	} {
		if got := percent(live); got != want {
			t.Errorf("%d bytes live: %d %%, want %d", live, got, want)
		}
	}
	set := make(chan int, 64)
	stop := tuneGC(func(p int) { set <- p })
	defer stop()
	if got := <-set; got != gcPercent {
		t.Errorf("it begins with %d %%", got)
	}
	held := make([]byte, 256<<20) // live, and never touched
	for end := time.After(20 * time.Second); ; {
		runtime.GC()
		select {
		case got := <-set:
			if got < 100 || got > 200 {
				t.Errorf("with 256 MiB live: %d %%", got)
			}
		case <-end:
			t.Fatal("a collection sets nothing")
		default:
			continue
		}
		break
	}
	runtime.KeepAlive(held)
}
