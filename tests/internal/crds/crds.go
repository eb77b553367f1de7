package crds

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

// The versions whose definitions the chart's objects must fit.
const (
	gateway    = "sigs.k8s.io/gateway-api@v1.4.1"
	monitoring = "github.com/prometheus-operator/prometheus-operator@v0.88.0"
)

// Files downloads what is not there yet, and gives the files with the definitions of
// HTTPRoute, GRPCRoute, PodMonitor and PrometheusRule.
func Files(ctx context.Context) ([]string, error) {
	routes, err := Module(ctx, gateway)
	if err != nil {
		return nil, err
	}
	monitors, err := Module(ctx, monitoring)
	if err != nil {
		return nil, err
	}
	routes = filepath.Join(routes, "config", "crd", "standard", "gateway.networking.k8s.io_")
	monitors = filepath.Join(monitors, "example", "prometheus-operator-crd", "monitoring.coreos.com_")
	files := []string{routes + "httproutes.yaml", routes + "grpcroutes.yaml", monitors + "podmonitors.yaml", monitors + "prometheusrules.yaml"}
	for _, f := range files {
		if _, err := os.Stat(f); err != nil {
			return nil, fmt.Errorf("a definition is missing: %w", err)
		}
	}
	return files, nil
}

// Module downloads a module, named with its version, and gives its directory.
func Module(ctx context.Context, module string) (string, error) {
	download := exec.CommandContext(ctx, "go", "mod", "download", "-json", module) //nolint:gosec // fixed program
	download.Dir, download.Env = os.TempDir(), append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := download.Output()
	if err != nil {
		return "", fmt.Errorf("download %s: %w\n%s", module, err, out)
	}
	var of struct{ Dir string }
	if err := json.Unmarshal(out, &of); err != nil {
		return "", fmt.Errorf("download %s: %w", module, err)
	}
	return of.Dir, nil
}
