package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// The versions that are built.
const (
	kubernetes = "1.36.3"
	coredns    = "v1.15.0"
)

// programs are those of the Kubernetes module.
var programs = []string{"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet", "kube-proxy", "kubectl"}

// Build builds what is missing in dir; the first time takes many minutes.
func Build(ctx context.Context, dir string) error {
	var missing []string
	for _, p := range programs {
		if _, err := os.Stat(filepath.Join(dir, p)); err != nil {
			missing = append(missing, "k8s.io/kubernetes/cmd/"+p)
		}
	}
	if len(missing) > 0 {
		if err := buildKubernetes(ctx, dir, missing); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "coredns")); err == nil {
		return nil
	}
	return goTool(ctx, dir, dir, "install", "-trimpath", "-ldflags", "-s -w", "github.com/coredns/coredns@"+coredns)
}

// buildKubernetes builds programs in a module that requires what Kubernetes itself
// requires: its replaced modules are released under versions of their own.
func buildKubernetes(ctx context.Context, dir string, packages []string) error {
	module, err := os.MkdirTemp("", "tandem-kubernetes-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(module) }()
	at := "k8s.io/kubernetes@v" + kubernetes
	download := exec.CommandContext(ctx, "go", "mod", "download", "-json", at) //nolint:gosec // fixed program
	download.Dir, download.Env = module, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod")
	out, err := download.Output()
	if err != nil {
		return fmt.Errorf("download %s: %w\n%s", at, err, out)
	}
	var of struct{ GoMod, Dir string }
	if err := json.Unmarshal(out, &of); err != nil {
		return err
	}
	mod, err := os.ReadFile(of.GoMod)
	if err != nil {
		return err
	}
	sum, err := os.ReadFile(filepath.Join(of.Dir, "go.sum"))
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(module, "go.mod"), standalone(mod), 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(module, "go.sum"), sum, 0o600); err != nil {
		return err
	}
	var flags strings.Builder
	flags.WriteString("-s -w")
	for _, p := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		minor := strings.Split(kubernetes, ".")[1]
		fmt.Fprintf(&flags, " -X %s.gitVersion=v%s -X %s.gitMajor=1 -X %s.gitMinor=%s", p, kubernetes, p, p, minor)
	}
	return goTool(ctx, module, dir, append([]string{"install", "-trimpath", "-ldflags", flags.String()}, packages...)...)
}

// standalone makes another module's go.mod of Kubernetes' own.
func standalone(mod []byte) []byte {
	staging := "v0." + strings.TrimPrefix(kubernetes, "1.")
	var out bytes.Buffer
	skip := false
	for line := range strings.Lines(string(mod)) {
		text := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(text, "module "):
			fmt.Fprintf(&out, "module tandem.test/kubernetes\n\nrequire k8s.io/kubernetes v%s\n", kubernetes)
		case strings.HasPrefix(text, "godebug ("):
			skip = true
		case skip:
			skip = text != ")"
		case strings.HasPrefix(text, "godebug "):
		default:
			// k8s.io/api => ./staging/src/k8s.io/api
			if before, name, ok := strings.Cut(line, "./staging/src/"); ok {
				line = before + strings.TrimSpace(name) + " " + staging + "\n"
			}
			out.WriteString(line)
		}
	}
	return out.Bytes()
}

// goTool runs go with its programs going to bin.
func goTool(ctx context.Context, in, bin string, args ...string) error {
	if err := os.MkdirAll(bin, 0o755); err != nil { //nolint:gosec // programs
		return err
	}
	cmd := exec.CommandContext(ctx, "go", args...) //nolint:gosec // fixed program
	cmd.Dir, cmd.Env = in, append(os.Environ(), "GOWORK=off", "GOFLAGS=-mod=mod", "CGO_ENABLED=0", "GOBIN="+bin)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}
