package deploy

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"
)

// What "docker compose up" starts with the profile demo.
var roles = []string{"callstate", "console", "dendrite", "directory", "grpcpipe", "matrix", "media", "nats", "sylkrtc"}

func TestCompose(t *testing.T) {
	began := time.Now()
	p := up(t, "COMPOSE_PROFILES=demo")
	t.Logf("up after %v", time.Since(began).Round(time.Second))
	if got := slices.Sorted(maps.Keys(p.services(t))); !slices.Equal(got, roles) {
		t.Fatalf("running: %q, want %q", got, roles)
	}
	p.call(t)
	p.ports(t)
	for _, service := range roles {
		began := time.Now()
		if _, err := p.compose(t.Context(), "restart", service); err != nil {
			t.Fatal(err)
		}
		healthy(t, p.services(t)[service])
		p.call(t)
		t.Logf("%s restarted and calls placed after %v", service, time.Since(began).Round(time.Millisecond))
	}
}

// Three NATS nodes, one of which may be away.
func TestThreeNATSNodes(t *testing.T) {
	p := up(t, "COMPOSE_PROFILES=nats3", "TANDEM_NATS_NODES=3")
	running := p.services(t)
	for _, node := range []string{"nats", "nats-2", "nats-3"} {
		healthy(t, running[node])
	}
	p.call(t)
	p.ports(t, "nats", "nats-2", "nats-3")
	if _, err := p.compose(t.Context(), "stop", "nats"); err != nil {
		t.Fatal(err)
	}
	// While the others choose who leads, callers are told to try again.
	eventually(t, "called with one node away", func() (bool, string) {
		err := p.tryCall(t)
		return err == nil, fmt.Sprint(err)
	})
}
