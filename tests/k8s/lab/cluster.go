package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Address is the node's address: a bridge of its own on this machine.
const Address = "10.98.0.1"

// What else the cluster takes of this machine.
const (
	nodeBridge = "tandem-node"
	podBridge  = "tandem-pods"
	pods       = "10.246.0.0/16"
	nodePods   = "10.246.0.0/24"
	services   = "10.97.0.0/16"
	apiPort    = "26443"
	cniPlugins = "/usr/lib/cni"
	node       = "lab"
	// SandboxImage is what holds a pod's network; Start must be given it.
	SandboxImage = "registry.k8s.io/pause:3.10"
)

// How long parts may take to start and to end.
const (
	startWithin = 3 * time.Minute
	stopWithin  = 30 * time.Second
)

// lost is what no service takes.
var lost = []string{"from", pods, "to", services, "unreachable"}

// Cluster is a running cluster.
type Cluster struct {
	bin, dir string
	running  []*process // in the order of starting
}

// Start starts a cluster with the programs in bin, imports image archives, and
// waits until its node is ready. Stop must be called. The error says why it cannot
// run here.
func Start(ctx context.Context, bin string, archives ...string) (_ *Cluster, err error) {
	if os.Geteuid() != 0 {
		return nil, errors.New("starting containers needs root")
	}
	for _, path := range []string{"/usr/bin/etcd", "/usr/bin/containerd", cniPlugins + "/bridge", "/usr/sbin/conntrack", "/usr/sbin/nft"} {
		if _, err := os.Stat(path); err != nil {
			return nil, fmt.Errorf("%w: run '.ci/setup.sh k8s'", err)
		}
	}
	c := &Cluster{bin: bin}
	// Sockets' paths must be short.
	if c.dir, err = os.MkdirTemp("", "tandem-k8s-"); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w\n%s", err, c.ends())
			c.Stop()
		}
	}()
	ctx, cancel := context.WithTimeout(ctx, startWithin)
	defer cancel()
	if err := c.prepare(ctx); err != nil {
		return nil, err
	}
	if err := c.control(ctx); err != nil {
		return nil, err
	}
	if err := c.worker(ctx, archives); err != nil {
		return nil, err
	}
	return c, until(ctx, "the node is ready", func() error {
		out, err := c.Kubectl(ctx, "get", "node", node, "-o", `jsonpath={.status.conditions[?(@.type=="Ready")].status}`)
		if err == nil && out != "True" {
			err = fmt.Errorf("ready: %q", out)
		}
		return err
	})
}

// prepare makes the node's address, keys and configuration files.
func (c *Cluster) prepare(ctx context.Context) error {
	_ = run(ctx, "ip", "link", "add", nodeBridge, "type", "bridge") // it may be left
	_ = run(ctx, "ip", "addr", "add", Address+"/24", "dev", nodeBridge)
	// What pods send to services before the rules for them are there goes nowhere.
	_ = run(ctx, append([]string{"ip", "rule", "add"}, lost...)...)
	for _, args := range [][]string{
		{"ip", "link", "set", nodeBridge, "up"},
		{"sysctl", "-wq", "net.ipv4.ip_forward=1"},
		{"openssl", "genrsa", "-out", c.path("accounts.key"), "2048"},
		{"openssl", "rsa", "-in", c.path("accounts.key"), "-pubout", "-out", c.path("accounts.pub")},
	} {
		if err := run(ctx, args...); err != nil {
			return err
		}
	}
	return c.files()
}

// control starts what decides.
func (c *Cluster) control(ctx context.Context) error {
	const etcd = "http://127.0.0.1:22379"
	c.start("/usr/bin/etcd", "--data-dir", c.path("etcd"), "--listen-client-urls", etcd, "--advertise-client-urls", etcd,
		"--listen-peer-urls", "http://127.0.0.1:22380", "--unsafe-no-fsync")
	c.start(c.program("kube-apiserver"), "--etcd-servers="+etcd, "--secure-port="+apiPort, "--advertise-address="+Address,
		"--cert-dir="+c.path("certs"), "--service-cluster-ip-range="+services, "--authorization-mode=Node,RBAC",
		"--token-auth-file="+c.path("tokens"), "--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file="+c.path("accounts.pub"), "--service-account-signing-key-file="+c.path("accounts.key"),
		"--allow-privileged=true", "--kubelet-preferred-address-types=InternalIP")
	err := until(ctx, "the API server is ready", func() error {
		_, err := c.Kubectl(ctx, "get", "--raw", "/readyz")
		return err
	})
	if err != nil {
		return err
	}
	c.start(c.program("kube-controller-manager"), "--kubeconfig="+c.path("controllers.conf"), "--use-service-account-credentials=true",
		"--service-account-private-key-file="+c.path("accounts.key"), "--leader-elect=false", "--secure-port=20257",
		"--cluster-cidr="+pods, "--allocate-node-cidrs=true", "--cert-dir="+c.path("certs"))
	c.start(c.program("kube-scheduler"), "--kubeconfig="+c.path("scheduler.conf"), "--leader-elect=false", "--secure-port=20259",
		"--cert-dir="+c.path("certs"))
	c.start(c.program("coredns"), "-conf", c.path("Corefile"))
	return nil
}

// worker starts what runs pods.
func (c *Cluster) worker(ctx context.Context, archives []string) error {
	c.start("/usr/bin/containerd", "-c", c.path("containerd.toml"))
	if err := until(ctx, "containerd is ready", func() error { return c.ctr(ctx, "version") }); err != nil {
		return err
	}
	for _, a := range archives {
		if err := c.ctr(ctx, "-n", "k8s.io", "images", "import", a); err != nil {
			return err
		}
	}
	c.start(c.program("kubelet"), "--config="+c.path("kubelet.yaml"), "--kubeconfig="+c.path("node.conf"), "--hostname-override="+node,
		"--root-dir="+c.path("kubelet"), "--cert-dir="+c.path("kubelet-certs"), "--node-ip="+Address)
	c.start(c.program("kube-proxy"), "--config="+c.path("proxy.yaml"))
	return nil
}

func (c *Cluster) path(name string) string    { return filepath.Join(c.dir, name) }
func (c *Cluster) program(name string) string { return filepath.Join(c.bin, name) }

func (c *Cluster) ctr(ctx context.Context, args ...string) error {
	return run(ctx, append([]string{"ctr", "-a", c.path("containerd.sock")}, args...)...)
}

// Config is the path of the administrator's kubeconfig.
func (c *Cluster) Config() string { return c.path("admin.conf") }

// Kubectl runs kubectl as administrator and gives what it writes.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.kubectl(ctx, "", args...)
}

// Create posts an object to a path of the API.
func (c *Cluster) Create(ctx context.Context, path, object string) error {
	_, err := c.kubectl(ctx, object, "create", "--raw", path, "-f", "-")
	return err
}

// Apply runs "kubectl apply" with arguments on objects.
func (c *Cluster) Apply(ctx context.Context, objects string, args ...string) (string, error) {
	return c.kubectl(ctx, objects, append(args, "apply", "-f", "-")...)
}

func (c *Cluster) kubectl(ctx context.Context, in string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, c.program("kubectl"), append([]string{"--kubeconfig", c.Config()}, args...)...) //nolint:gosec // our own
	cmd.Stdin = strings.NewReader(in)
	var errs strings.Builder
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return string(out), fmt.Errorf("kubectl %s: %w\n%s", strings.Join(args, " "), err, errs.String())
	}
	return strings.TrimSpace(string(out)), nil
}

// Stop ends everything that Start started, and what that left behind.
func (c *Cluster) Stop() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*stopWithin)
	defer cancel()
	// What runs pods must not start them anew.
	_, _ = c.Kubectl(ctx, "delete", "deployments,statefulsets,jobs,pods", "--all", "-A", "--grace-period=1", "--timeout=45s")
	for i := len(c.running) - 1; i >= 0; i-- {
		c.running[i].stop()
	}
	if _, err := os.Stat(c.program("kube-proxy")); err == nil && len(c.running) > 0 {
		_ = run(ctx, c.program("kube-proxy"), "--config="+c.path("proxy.yaml"), "--cleanup")
	}
	c.shims()
	c.unmount()
	_ = run(ctx, append([]string{"ip", "rule", "delete"}, lost...)...)
	_ = run(ctx, "ip", "link", "delete", nodeBridge)
	_ = run(ctx, "ip", "link", "delete", podBridge)
	_ = os.RemoveAll(c.dir)
}

// shims ends the parents of containers, which outlive containerd.
func (c *Cluster) shims() {
	entries, _ := os.ReadDir("/proc") // none: none are found
	for _, e := range entries {
		line, err := os.ReadFile(filepath.Join("/proc", e.Name(), "cmdline"))
		if err != nil || !strings.Contains(string(line), c.path("containerd.sock")) || !strings.Contains(string(line), "containerd-shim") {
			continue
		}
		var pid int
		if _, err := fmt.Sscan(e.Name(), &pid); err == nil {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
}

// unmount takes away what is mounted below the directory, the innermost first.
func (c *Cluster) unmount() {
	text, _ := os.ReadFile("/proc/mounts") // none: nothing to do
	lines := strings.Split(string(text), "\n")
	for i := len(lines) - 1; i >= 0; i-- {
		if f := strings.Fields(lines[i]); len(f) > 1 && strings.HasPrefix(f[1], c.dir+"/") {
			_ = syscall.Unmount(f[1], syscall.MNT_DETACH)
		}
	}
}
