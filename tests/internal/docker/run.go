package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Run runs the client with arguments and gives what it writes to standard
// output, without the last newline. The error has what it wrote to standard error.
func (d *Daemon) Run(ctx context.Context, args ...string) (string, error) {
	return d.output(exec.CommandContext(ctx, clientPath, args...)) //nolint:gosec // fixed program
}

// Compose runs Docker Compose in a directory with further environment variables.
func (d *Daemon) Compose(ctx context.Context, dir string, env []string, args ...string) (string, error) {
	path := filepath.Join(d.Bin(), "docker-compose")
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("run 'make setup' first: %w", err)
	}
	cmd := exec.CommandContext(ctx, path, args...) //nolint:gosec // fixed program
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	return d.output(cmd)
}

// Shell runs a script that uses docker and docker compose, in a directory with
// further environment variables, and gives what it writes to standard output.
func (d *Daemon) Shell(ctx context.Context, dir string, env []string, script string) (string, error) {
	tools, err := os.MkdirTemp("", "tandem-docker-cli-")
	if err != nil {
		return "", fmt.Errorf("no directory for the client: %w", err)
	}
	defer func() { _ = os.RemoveAll(tools) }()
	plugins := filepath.Join(tools, "cli-plugins")
	if err := errors.Join(
		os.Mkdir(plugins, 0o700),
		os.Symlink(filepath.Join(d.Bin(), "docker-compose"), filepath.Join(plugins, "docker-compose")),
		os.Symlink(clientPath, filepath.Join(tools, "docker")),
	); err != nil {
		return "", fmt.Errorf("no directory for the client: %w", err)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", "-euc", script)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	cmd.Env = append(cmd.Env, "DOCKER_CONFIG="+tools, "PATH="+tools+string(os.PathListSeparator)+os.Getenv("PATH"))
	return d.output(cmd)
}

func (d *Daemon) output(cmd *exec.Cmd) (string, error) {
	if cmd.Env == nil {
		cmd.Env = os.Environ()
	}
	// The classic builder knows no cache mounts.
	cmd.Env = append(cmd.Env, "DOCKER_HOST="+d.host, "DOCKER_BUILDKIT=1", "BUILDKIT_PROGRESS=plain")
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	text := strings.TrimSuffix(string(out), "\n")
	if err != nil {
		return text, fmt.Errorf("%s: %w\n%s%s", strings.Join(cmd.Args, " "), err, errs.String(), text)
	}
	return text, nil
}

// Bin is the directory of the tools that 'make setup' installs.
func (d *Daemon) Bin() string { return filepath.Join(filepath.Dir(d.cached), "bin") }
