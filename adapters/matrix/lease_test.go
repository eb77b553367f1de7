package matrix

import (
	"context"
	"log/slog"
	"net"
	"testing"
	"time"
)

func leaseNode(store *fakeStore, node string) *lease {
	cfg := Defaults()
	cfg.LeaseTTL = time.Second
	a := &Adapter{
		cfg: cfg, host: &fakeHost{node: node, store: store}, log: slog.New(slog.DiscardHandler), node: node,
		addr: &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1},
	}
	return &lease{a: a, instance: node + "-start"}
}

func TestLeaseIsOneNodesAtATime(t *testing.T) {
	store := newStore()
	one, two := leaseNode(store, "n1"), leaseNode(store, "n2")
	if !one.try(t.Context()) {
		t.Fatal("the first node does not get the lease")
	}
	if two.try(t.Context()) {
		t.Fatal("the second node gets it too")
	}
	if two.a.holder.Node != "n1" || two.a.holder.URL != "http://127.0.0.1:1" {
		t.Errorf("the second node believes that %+v serves", two.a.holder)
	}
}

func TestLeaseGoesOverWhenItsHolderIsSilent(t *testing.T) {
	store := newStore()
	one, two := leaseNode(store, "n1"), leaseNode(store, "n2")
	one.try(t.Context())
	began := time.Now()
	if !two.stand(t.Context()) {
		t.Fatal("the second node never gets it")
	}
	if took := time.Since(began); took < time.Second {
		t.Errorf("it waited only %v", took)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	one.keep(ctx) // returns, since another has taken over
	if ctx.Err() != nil {
		t.Error("the first node does not notice that it has lost the lease")
	}
}

func TestLeaseIsKeptByBeats(t *testing.T) {
	store := newStore()
	one, two := leaseNode(store, "n1"), leaseNode(store, "n2")
	one.try(t.Context())
	ctx, cancel := context.WithCancel(t.Context())
	kept := make(chan struct{})
	go func() { defer close(kept); one.keep(ctx) }()
	standing, stop := context.WithTimeout(t.Context(), 3*time.Second)
	defer stop()
	if two.stand(standing) {
		t.Error("the second node takes the lease of one that beats")
	}
	cancel()
	<-kept
	one.release()
	if !two.try(t.Context()) {
		t.Error("the lease that was given back is not free")
	}
}

func TestLeaseIsGivenUpWithoutTheStore(t *testing.T) {
	store := newStore()
	one := leaseNode(store, "n1")
	one.try(t.Context())
	store.setAway(true)
	began := time.Now()
	one.keep(t.Context())
	if took := time.Since(began); took > one.a.cfg.LeaseTTL {
		t.Errorf("it served for %v without the store: another could have taken over", took)
	}
}

func TestLeaseOfTheSameNodeNeedsNoWait(t *testing.T) {
	store := newStore()
	leaseNode(store, "n1").try(t.Context())
	if !leaseNode(store, "n1").try(t.Context()) {
		t.Error("a node that starts again waits for its own lease")
	}
}
