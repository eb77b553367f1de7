package docker

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
)

// busyboxPath is Debian's busybox-static: the shell and tools of base images.
const busyboxPath = "/bin/busybox"

// made labels the images that are made here with what of.
const made = "org.tandem.test.made-of"

// recipe changes when images are made in another way.
const recipe = "2 "

// Base is a base image that can be made here.
type Base struct {
	// Name is what Dockerfile and compose file call it.
	Name string
	// of says what it is made of; another one is made when that changes.
	of string
	// lay puts the files into a directory that is going to be its root.
	lay func(root string) error
	// changes are Dockerfile instructions.
	changes []string
}

// Golang is the official Go image as far as the Dockerfile needs it: this
// machine's Go, and a shell.
func Golang(name string) Base {
	return Base{
		Name: name, of: runtime.Version() + " busybox",
		lay: func(root string) error {
			if err := busybox(root); err != nil {
				return err
			}
			goroot, err := exec.Command("go", "env", "GOROOT").Output()
			if err != nil {
				return fmt.Errorf("go env GOROOT: %w", err)
			}
			to := filepath.Join(root, "usr/local/go")
			if err := os.MkdirAll(to, 0o755); err != nil {
				return err
			}
			for _, part := range []string{"bin", "pkg", "src", "lib", "go.env", "VERSION"} {
				if err := copyTree(filepath.Join(strings.TrimSpace(string(goroot)), part), filepath.Join(to, part)); err != nil {
					return err
				}
			}
			return nil
		},
		changes: []string{"ENV PATH=/go/bin:/usr/local/go/bin:/usr/sbin:/usr/bin:/sbin:/bin GOPATH=/go", "WORKDIR /go"},
	}
}

// Distroless is distroless/static: certificates, time zones, users.
func Distroless(name string) Base {
	return Base{
		Name: name, of: "certificates, users",
		lay:     func(root string) error { return system(root) },
		changes: []string{"USER 65532:65532", "WORKDIR /home/nonroot"},
	}
}

// NATS is the official NATS image (the Alpine one): a server and a shell.
func NATS(name, server string) Base {
	return Base{
		Name: name, of: "nats-server " + stamp(server) + " busybox",
		lay: func(root string) error {
			if err := busybox(root); err != nil {
				return err
			}
			return program(root, server, "usr/local/bin/nats-server")
		},
		changes: []string{"ENV PATH=/usr/local/bin:/usr/bin:/bin", `ENTRYPOINT ["nats-server"]`},
	}
}

// Dendrite is the official image of the Matrix homeserver: its programs and a
// shell. bin is where they are.
func Dendrite(name, bin string) Base {
	return Base{
		Name: name, of: "dendrite " + stamp(filepath.Join(bin, "dendrite")) + " busybox",
		lay: func(root string) error {
			if err := busybox(root); err != nil {
				return err
			}
			for _, p := range []string{"dendrite", "create-account", "generate-keys"} {
				if err := program(root, filepath.Join(bin, p), filepath.Join("usr/bin", p)); err != nil {
					return err
				}
			}
			return nil
		},
		changes: []string{"ENV PATH=/usr/bin:/bin", `ENTRYPOINT ["/usr/bin/dendrite"]`},
	}
}

// Pause is an image that does nothing, as Kubernetes needs it for each pod.
func Pause(name string) Base {
	return Base{
		Name: name, of: "busybox",
		lay:     busybox,
		changes: []string{"USER 65535:65535", `ENTRYPOINT ["/bin/busybox", "sleep", "inf"]`},
	}
}

// Ensure sees to it that a base image is there: as it is, from its registry, or
// made here.
func (d *Daemon) Ensure(ctx context.Context, b Base) error {
	b.of = recipe + b.of
	have, err := d.Run(ctx, "image", "inspect", "--format", `{{index .Config.Labels "`+made+`"}}`, b.Name)
	if err == nil && (have == b.of || d.done == nil) {
		return nil
	}
	if d.done == nil { // a daemon that runs here anyway may have a registry
		if _, err := d.Run(ctx, "pull", b.Name); err == nil {
			return nil
		}
	}
	root, err := os.MkdirTemp(d.dir, "image-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(root) }()
	if err := b.lay(root); err != nil {
		return fmt.Errorf("make %s: %w", b.Name, err)
	}
	archive := root + ".tar"
	defer func() { _ = os.Remove(archive) }()
	//nolint:gosec // fixed program
	if out, err := exec.CommandContext(ctx, "tar", "-C", root, "--numeric-owner", "-cf", archive, ".").CombinedOutput(); err != nil {
		return fmt.Errorf("make %s: %w\n%s", b.Name, err, out)
	}
	args := []string{"import", "--change", fmt.Sprintf("LABEL %s=%q", made, b.of)}
	for _, c := range b.changes {
		args = append(args, "--change", c)
	}
	_, err = d.Run(ctx, append(args, archive, b.Name)...)
	return err
}

// stamp tells a file from its next version.
func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "missing"
	}
	return fmt.Sprint(info.Size(), info.ModTime().Unix())
}
