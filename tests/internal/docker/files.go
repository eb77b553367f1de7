package docker

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// system lays what every image has: certificates, time zones, users, /tmp.
func system(root string) error {
	for _, dir := range []string{"etc/ssl/certs", "usr/share", "home/nonroot", "tmp", "root"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for name, text := range map[string]string{
		"etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\nnobody:x:65534:65534:nobody:/nonexistent:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
		"etc/group":  "root:x:0:\nnobody:x:65534:\nnonroot:x:65532:\n",
	} {
		if err := os.WriteFile(filepath.Join(root, name), []byte(text), 0o644); err != nil { //nolint:gosec // everybody reads it
			return err
		}
	}
	if err := copyTree("/etc/ssl/certs/ca-certificates.crt", filepath.Join(root, "etc/ssl/certs/ca-certificates.crt")); err != nil {
		return err
	}
	if err := os.Chown(filepath.Join(root, "home/nonroot"), 65532, 65532); err != nil {
		return err
	}
	if err := os.Chmod(filepath.Join(root, "tmp"), 0o1777); err != nil { //nolint:gosec // as /tmp is
		return err
	}
	return nil
}

// busybox lays a system with a shell and the usual tools.
func busybox(root string) error {
	if err := system(root); err != nil {
		return err
	}
	bin := filepath.Join(root, "bin")
	if err := os.MkdirAll(bin, 0o755); err != nil {
		return err
	}
	if err := copyTree(busyboxPath, filepath.Join(bin, "busybox")); err != nil {
		return err
	}
	names, err := exec.Command(busyboxPath, "--list").Output()
	if err != nil {
		return fmt.Errorf("busybox --list: %w", err)
	}
	for _, name := range strings.Fields(string(names)) {
		if name == "busybox" {
			continue
		}
		if err := os.Symlink("busybox", filepath.Join(bin, name)); err != nil {
			return err
		}
	}
	return nil
}

// program lays a program at a path, and the libraries that it needs.
func program(root, from, to string) error {
	if err := copyTree(from, filepath.Join(root, to)); err != nil {
		return err
	}
	out, err := exec.Command("ldd", from).Output() //nolint:gosec // one of our own
	if err != nil {
		return nil //nolint:nilerr // it is static
	}
	for _, word := range strings.Fields(string(out)) {
		if !strings.HasPrefix(word, "/") {
			continue
		}
		if err := copyTree(word, filepath.Join(root, word)); err != nil {
			return err
		}
	}
	return nil
}

// copyTree copies a file or a directory, what links point to in their place.
func copyTree(from, to string) error {
	if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
		return err
	}
	out, err := exec.Command("cp", "-RL", "--preserve=mode", from, to).CombinedOutput() //nolint:gosec // fixed program
	if err != nil {
		return fmt.Errorf("copy %s: %w\n%s", from, err, out)
	}
	return nil
}
