package deploy

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/docker"
)

// What the image is called and says of itself.
const (
	image   = "tandem:test"
	release = "v0.0.0-test"
	commit  = "0123456789abcdef0123456789abcdef01234567"
)

// buildWithin bounds the making of the images, the first time with nothing in
// any cache; patience every other wait.
const (
	buildWithin = 20 * time.Minute
	patience    = 2 * time.Minute
)

// machine is the daemon that all tests use.
var machine *docker.Daemon

func TestMain(m *testing.M) {
	os.Exit(run(m))
}

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), buildWithin)
	defer cancel()
	began := time.Now()
	var err error
	if machine, err = docker.Start(); err != nil {
		fmt.Fprintln(os.Stderr, "the deployment cannot be tested here:", err)
		return 1
	}
	defer machine.Stop()
	if err := build(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "the image cannot be built:", err)
		return 1
	}
	fmt.Println("image built in", time.Since(began).Round(time.Second))
	return m.Run()
}

// build builds the image as users do.
func build(ctx context.Context) error {
	ours := []docker.Base{
		docker.Golang("golang:1.26"), docker.Distroless("gcr.io/distroless/static-debian12:nonroot"),
	}
	others := []docker.Base{
		docker.NATS("nats:2.15-alpine", filepath.Join(machine.Bin(), "nats-server")),
		docker.Dendrite("ghcr.io/element-hq/dendrite-monolith:v0.15.2", machine.Bin()),
		docker.Prometheus("prom/prometheus:v3.5.0", filepath.Join(machine.Bin(), "prometheus")),
	}
	beside := make(chan error, 1)
	go func() { beside <- ensure(ctx, others) }()
	err := ensure(ctx, ours)
	if err == nil {
		err = machine.Build(ctx, image, "../../deploy/Dockerfile", "../..", "VERSION="+release, "COMMIT="+commit)
	}
	return errors.Join(err, <-beside)
}

func ensure(ctx context.Context, bases []docker.Base) error {
	for _, b := range bases {
		if err := machine.Ensure(ctx, b); err != nil {
			return err //nolint:wrapcheck // names the image
		}
	}
	return nil
}
