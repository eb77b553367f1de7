package k8s

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/docker"
	"github.com/tandem-rtc/tandem/tests/k8s/lab"
)

// How long preparing may take, the first time with nothing in any cache, and one
// step of a test.
const (
	prepareWithin = time.Hour
	patience      = 4 * time.Minute
)

// chart is what is installed.
const chart = "../../deploy/helm/tandem"

// cluster and tools are what all tests use.
var (
	cluster *lab.Cluster
	tools   string
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctx, cancel := context.WithTimeout(context.Background(), prepareWithin)
	defer cancel()
	dir, err := os.MkdirTemp("", "tandem-images-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(dir) }()
	archive := filepath.Join(dir, "images.tar")
	if err := images(ctx, archive); err != nil {
		fmt.Fprintln(os.Stderr, "the images cannot be built:", err)
		return 1
	}
	programs := filepath.Join(filepath.Dir(tools), "kubernetes")
	if err := lab.Build(ctx, programs); err != nil {
		fmt.Fprintln(os.Stderr, "Kubernetes cannot be built:", err)
		return 1
	}
	if cluster, err = lab.Start(ctx, programs, archive); err != nil {
		fmt.Fprintln(os.Stderr, "Kubernetes cannot run here:", err)
		return 1
	}
	defer cluster.Stop()
	return m.Run()
}

// images builds the images as users do, and writes them to an archive.
func images(ctx context.Context, archive string) error {
	d, err := docker.Start()
	if err != nil {
		return err //nolint:wrapcheck // says what it is already
	}
	defer d.Stop()
	tools = d.Bin()
	for _, b := range []docker.Base{
		docker.Golang("golang:1.26"), docker.Distroless("gcr.io/distroless/static-debian12:nonroot"),
		docker.NATS("nats:2.15-alpine", filepath.Join(tools, "nats-server")), docker.Pause(lab.SandboxImage),
		docker.Dendrite(dendriteImage, tools),
	} {
		if err := d.Ensure(ctx, b); err != nil {
			return err //nolint:wrapcheck // names the image
		}
	}
	if _, err := d.Run(ctx, "build", "-f", "../../deploy/Dockerfile", "-t", "tandem:test", "../.."); err != nil {
		return err //nolint:wrapcheck // says what it is already
	}
	_, err = d.Run(ctx, "save", "-o", archive, "tandem:test", "nats:2.15-alpine", dendriteImage, lab.SandboxImage)
	return err //nolint:wrapcheck // says what it is already
}

// helm runs helm on the cluster.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(tools, "helm"), args...) //nolint:gosec // our own
	cmd.Env = append(os.Environ(), "KUBECONFIG="+cluster.Config())
	out, err := cmd.CombinedOutput()
	if err != nil {
		err = fmt.Errorf("helm %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return string(out), err
}

// template gives what helm renders.
func template(t *testing.T, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(tools, "helm"), append([]string{"template"}, args...)...) //nolint:gosec // our own
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("helm template %s: %w", strings.Join(args, " "), err)
	}
	return string(out), err
}

func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	out, err := cluster.Kubectl(t.Context(), args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
