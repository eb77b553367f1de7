package docker

import (
	"context"
	"errors"
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

// Prometheus is the official Prometheus image: its program, which begins with a
// configuration in /etc and a store that belongs to its user.
func Prometheus(name, program string) Base {
	return Base{
		Name: name, of: "prometheus " + stamp(program),
		lay: func(root string) error {
			if err := errors.Join(system(root), copyTree(program, filepath.Join(root, "bin/prometheus"))); err != nil {
				return err
			}
			for _, dir := range []string{"etc/prometheus", "prometheus"} {
				dir = filepath.Join(root, dir)
				if err := errors.Join(os.MkdirAll(dir, 0o755), os.Chown(dir, nobody, nobody)); err != nil {
					return err
				}
			}
			return nil
		},
		changes: []string{"USER nobody", "WORKDIR /prometheus", `ENTRYPOINT ["/bin/prometheus"]`},
	}
}

// nobody is the user of that name.
const nobody = 65534

// Pause is an image that does nothing, as Kubernetes needs it for each pod.
func Pause(name string) Base {
	return Base{
		Name: name, of: "busybox",
		lay:     busybox,
		changes: []string{"USER 65535:65535", `ENTRYPOINT ["/bin/busybox", "sleep", "inf"]`},
	}
}

// Ensure sees to it that a base image is there. Our own daemon has the ones that are
// made here. Another one's are used as they are, or pulled from their registry; only
// what cannot be had is made here, and removed at the end: nobody shall find a
// stranger under a name that he knows. It may be called for several at a time.
func (d *Daemon) Ensure(ctx context.Context, b Base) error {
	b.of = recipe + b.of
	have, err := d.Run(ctx, "image", "inspect", "--format", `{{index .Config.Labels "`+made+`"}}`, b.Name)
	if err == nil && (have == b.of || !d.Own() && have == "") {
		d.mine(b.Name, have != "")
		return nil
	}
	if !d.Own() {
		if _, err := d.Run(ctx, "pull", b.Name); err == nil {
			return nil
		}
		if err := installed(busyboxPath); err != nil {
			return fmt.Errorf("%s is neither here nor in a registry: %w", b.Name, err)
		}
	}
	d.mine(b.Name, true)
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

// mine remembers an image of the tests' own, for the end.
func (d *Daemon) mine(name string, isMine bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if isMine {
		d.made = append(d.made, name)
	}
}

// Build builds an image from a Dockerfile, and has it removed at the end from a
// daemon that is not ours. What its steps made stays in that daemon's cache.
func (d *Daemon) Build(ctx context.Context, name, file, dir string, args ...string) error {
	build := []string{"build", "-f", file, "-t", name}
	for _, a := range args {
		build = append(build, "--build-arg", a)
	}
	_, err := d.Run(ctx, append(build, dir)...)
	d.mine(name, true)
	return err
}

// forget removes what was made from a daemon that is not ours.
func (d *Daemon) forget() {
	if d.Own() {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), stopWithin)
	defer cancel()
	for _, name := range d.made {
		_, _ = d.Run(ctx, "image", "rm", name) // it may not have been made in the end
	}
}

// stamp tells a file from its next version.
func stamp(path string) string {
	info, err := os.Stat(path)
	if err != nil {
		return "missing"
	}
	return fmt.Sprint(info.Size(), info.ModTime().Unix())
}
