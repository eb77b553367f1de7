package lab

import (
	"os"
	"strings"
)

// files writes the configuration of all parts. Who asks the API server shows a
// token; nobody but this machine reaches it.
func (c *Cluster) files() error {
	users := map[string]string{ // kubeconfig: name and groups of its user
		"admin": `admin,admin,"system:masters"`, "controllers": `system:kube-controller-manager,controllers`,
		"scheduler": `system:kube-scheduler,scheduler`, "node": `system:node:` + node + `,node,"system:nodes"`,
		"proxy": `system:kube-proxy,proxy`,
	}
	var tokens strings.Builder
	files := map[string]string{
		"Corefile": corefile, "containerd.toml": containerd, "kubelet.yaml": kubelet, "proxy.yaml": proxy, "cni/lab.conflist": cni,
	}
	for name, user := range users {
		tokens.WriteString("token-of-" + name + "," + user + "\n")
		files[name+".conf"] = strings.ReplaceAll(kubeconfig, "@user@", name)
	}
	files["tokens"] = tokens.String()
	fill := strings.NewReplacer("@dir@", c.dir, "@address@", Address, "@api@", apiPort, "@node@", node, "@pods@", pods,
		"@nodePods@", nodePods, "@bridge@", podBridge, "@cni@", cniPlugins, "@sandbox@", SandboxImage)
	if err := os.MkdirAll(c.path("cni"), 0o700); err != nil {
		return err
	}
	for name, text := range files {
		if err := os.WriteFile(c.path(name), []byte(fill.Replace(text)), 0o600); err != nil {
			return err
		}
	}
	return nil
}

const kubeconfig = `{"apiVersion": "v1", "kind": "Config", "current-context": "lab",
"clusters": [{"name": "lab", "cluster": {"server": "https://127.0.0.1:@api@", "insecure-skip-tls-verify": true}}],
"users": [{"name": "user", "user": {"token": "token-of-@user@"}}],
"contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "user"}}]}
`

const corefile = `.:53 {
  bind @address@
  errors
  kubernetes cluster.local in-addr.arpa {
    kubeconfig @dir@/admin.conf lab
  }
  forward . /etc/resolv.conf
  cache 2
}
`

const cni = `{"cniVersion": "0.4.0", "name": "lab", "plugins": [
  {"type": "bridge", "bridge": "@bridge@", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "@dir@/addresses", "ranges": [[{"subnet": "@nodePods@"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}},
  {"type": "firewall", "backend": "iptables"}]}
`

const containerd = `version = 2
root = "@dir@/containerd"
state = "@dir@/containerd-state"
[grpc]
  address = "@dir@/containerd.sock"
[plugins."io.containerd.internal.v1.opt"]
  path = "@dir@/containerd-opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "@sandbox@"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "@cni@"
    conf_dir = "@dir@/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
`

const kubelet = `apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: @address@
port: 20450
readOnlyPort: 0
healthzPort: 20448
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
cgroupDriver: cgroupfs
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
containerRuntimeEndpoint: unix://@dir@/containerd.sock
clusterDNS: [@address@]
clusterDomain: cluster.local
resolvConf: /etc/resolv.conf
enforceNodeAllocatable: []
evictionHard: {nodefs.available: "1%", imagefs.available: "1%", memory.available: 100Mi}
imageGCHighThresholdPercent: 100
podLogsDir: @dir@/pod-logs
`

const proxy = `apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: @dir@/proxy.conf}
mode: iptables
clusterCIDR: @pods@
hostnameOverride: @node@
healthzBindAddress: 127.0.0.1:20456
metricsBindAddress: 127.0.0.1:20449
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
`
