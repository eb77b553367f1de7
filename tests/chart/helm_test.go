package chart

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew")

const chart = "../../deploy/helm/tandem"

// helm runs helm, away from the user's own settings.
func helm(t *testing.T, args ...string) (string, error) {
	t.Helper()
	return run(t, "helm", nil, args...)
}

// run runs a tool that 'make setup' installs.
func run(t *testing.T, tool string, in []byte, args ...string) (string, error) {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "tandem", "bin", tool)
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run 'make setup'", err)
	}
	home := t.TempDir()
	cmd := exec.Command(path, args...)
	cmd.Stdin = bytes.NewReader(in)
	cmd.Env = append(os.Environ(), "HELM_CONFIG_HOME="+home, "HELM_CACHE_HOME="+home, "HELM_DATA_HOME="+home, "KUBECONFIG="+filepath.Join(home, "none"))
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w\n%s", tool, strings.Join(args, " "), err, errs.String())
	}
	return out.String(), nil
}

// values gives the table of values files by name.
func values(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("testdata/values/*.yaml")
	if err != nil || len(files) < 5 {
		t.Fatalf("%q, %v", files, err)
	}
	out := map[string]string{}
	for _, f := range files {
		out[strings.TrimSuffix(filepath.Base(f), ".yaml")] = f
	}
	return out
}

func render(t *testing.T, file string, more ...string) string {
	t.Helper()
	return renderAs(t, "phone", file, more...)
}

// renderAs renders with a release's name.
func renderAs(t *testing.T, release, file string, more ...string) string {
	t.Helper()
	args := append([]string{"template", release, chart, "--namespace", "calls", "--kube-version", "1.36.0", "-f", file}, more...)
	out, err := helm(t, args...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// random is what differs with each rendering outside a cluster.
var random = regexp.MustCompile(`(?m)^  seed: .*$`)

func TestLint(t *testing.T) {
	for name, file := range values(t) {
		if out, err := helm(t, "lint", "--strict", chart, "-f", file); err != nil {
			t.Errorf("%s: %v\n%s", name, err, out)
		}
	}
}

func TestGolden(t *testing.T) {
	for name, file := range values(t) {
		t.Run(name, func(t *testing.T) {
			got := random.ReplaceAllString(render(t, file), "  seed: (random)")
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil { //nolint:gosec // everybody reads it
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if got != string(want) {
				t.Errorf("the rendering is not %s; 'go test ./tests/chart -update' writes it, and git shows what changed:\n%s", golden, firstDifference(string(want), got))
			}
		})
	}
}

func firstDifference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d: %q instead of %q", i+1, g[i], w[i])
		}
	}
	return fmt.Sprintf("%d lines instead of %d", len(g), len(w))
}

// What the schema or a template refuses, and what it says.
func TestRefused(t *testing.T) {
	for set, want := range map[string]string{
		"nats.replicas=2":                                                "at '/nats/replicas': value must be one of 1, 3, 5",
		"media.replicas=11":                                              "at '/media/replicas': maximum: got 11, want 10",
		"media.exposure=clusterIP":                                       "at '/media/exposure': value must be one of 'nodePort', 'hostNetwork', 'loadBalancer', 'none'",
		"media.externalAddress=192.0.2.1:7900":                           "at '/media/externalAddress'",
		"media.externalAddress=[2001:db8::1]":                            "at '/media/externalAddress'",
		"media.externalAddress=a b":                                      "at '/media/externalAddress'",
		"media.nodePortBase=30795":                                       "at '/media/nodePortBase': multipleOf: got",
		"media.exposure=loadBalancer":                                    "media.externalAddress is needed with media.exposure loadBalancer",
		"grpcpipe.replica=3":                                             "at '/grpcpipe': additional properties 'replica' not allowed",
		"config.secret=x":                                                "config.secret is not said here",
		"config.admin.tls.cert_file=x":                                   "config.admin.tls is not said here",
		"config.sylkrtc.listen=x":                                        "config.sylkrtc.listen is not said here",
		"config.media.external_ip={192.0.2.1}":                           "config.media.external_ip is not said here",
		"config.nats.password=x":                                         "config.nats.password is not said here",
		"config.plaintext={all}":                                         "config.plaintext is not said here",
		"fullnameOverride=1st":                                           "at '/fullnameOverride'",
		"image.digest=sha256:12":                                         "at '/image/digest'",
		"podLabels.app\\.kubernetes\\.io/name=x":                         "at '/podLabels/app.kubernetes.io~1name': false schema",
		"sylkrtc.podLabels.helm\\.sh/chart=x":                            "at '/sylkrtc/podLabels/helm.sh~1chart': false schema",
		"podSecurityContext.runAsNonRoot=false":                          "at '/podSecurityContext': additional properties 'runAsNonRoot' not allowed",
		"podSecurityContext.runAsUser=0":                                 "at '/podSecurityContext/runAsUser': minimum: got 0, want 1",
		"sylkrtc.service.spec.selector.app=x":                            "at '/sylkrtc/service/spec': additional properties 'selector' not allowed",
		"ipFamilyPolicy=Both":                                            "at '/ipFamilyPolicy'",
		"nats.volumes[0].name=x":                                         "at '/nats': additional properties 'volumes' not allowed",
		"directoryPods.configSecret=who,directory.domains={example.org}": "directory is not said with directoryPods.configSecret",
		"nats.enabled=false":                                             "nats.external.url is needed when nats.enabled is false",
		"nats.external.url=http://nats:4222":                             "at '/nats/external/url'",
		"ingress.enabled=true":                                           "ingress.host is needed with ingress.enabled",
		"gateway.enabled=true":                                           "gateway.parentRefs is needed with gateway.enabled",
		"gateway.enabled=true,gateway.parentRefs[0].name=x,gateway.grpcHostnames={g.example}":                               "gateway.hostnames is needed with gateway.grpcHostnames",
		"gateway.enabled=true,gateway.parentRefs[0].name=x,gateway.hostnames={a.example},gateway.grpcHostnames={a.example}": "gateway.grpcHostnames: a.example is one of gateway.hostnames",
		"test.call=echo":                 "at '/test/call'",
		"callstate.autoscaling.cpu=2000": "at '/callstate/autoscaling/cpu': maximum: got 2,000, want 1,000",
		"callstate.autoscaling.enabled=true,callstate.autoscaling.min=9": "callstate.autoscaling: min 9 is more than max 6",
		"sylkrtc.service.type=ExternalName":                              "at '/sylkrtc/service/type'",
		"console.resources.requests.cpu=null":                            "at '/console/resources/requests': missing property 'cpu'",
		"demo=maybe":                                                     "at '/demo': got string, want boolean",
		"networkPolicy.monitoringNamespaces=monitoring":                  "at '/networkPolicy/monitoringNamespaces': got string, want array",
		"monitoring.podMonitor.interval=15":                              "at '/monitoring/podMonitor/interval'",
		"nats.persistence.size=lots":                                     "at '/nats/persistence/size'",
		"image.pullPolicy=Sometimes":                                     "at '/image/pullPolicy'",
		"media.exposure=hostNetwork":                                     "networkPolicy.nodeCIDRs is needed with media.exposure hostNetwork",
		"networkPolicy.nodeCIDRs={10.0.0.1}":                             "at '/networkPolicy/nodeCIDRs/0'",
		"test.caSecret=not a name":                                       "at '/test/caSecret'",

		"matrix.enabled=true": "matrix.homeserver is needed with matrix.enabled: the URL",
		"matrix.enabled=true,matrix.homeserver=http://hs:8008":                                                           "matrix.serverName is needed with matrix.enabled: the homeserver's name",
		"matrix.enabled=true,matrix.homeserver=http://hs:8008,matrix.serverName=example.org":                             "matrix.peer is needed with matrix.enabled and networkPolicy.enabled: where the homeserver is",
		"matrix.enabled=true,matrix.homeserver=http://hs:8008,matrix.serverName=example.org,matrix.peer.cidrs={hs:8008}": "at '/matrix/peer/cidrs/0'",

		"matrix.homeserver=hs:8008":          "at '/matrix/homeserver'",
		"matrix.serverName=https://hs":       "at '/matrix/serverName'",
		"matrix.url=hs":                      "at '/matrix/url'",
		"matrix.replicas=0":                  "at '/matrix/replicas': minimum: got 0, want 1",
		"matrix.registrationSecret=A/B":      "at '/matrix/registrationSecret'",
		"matrix.peer.namespace=Not_one":      "at '/matrix/peer/namespace'",
		"matrix.peer.podLabels=app":          "at '/matrix/peer/podLabels': got string, want object",
		"matrix.autoscaling.enabled=true":    "at '/matrix': additional properties 'autoscaling' not allowed",
		"matrix.resources.requests.cpu=null": "at '/matrix/resources/requests': missing property 'cpu'",
		"matrix.service.type=None":           "at '/matrix/service/type'",
	} {
		out, err := helm(t, "template", "phone", chart, "--set", set)
		if err == nil {
			t.Errorf("%s was taken", set)
		} else if !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %q\n%s", set, err, want, out)
		}
	}
}
