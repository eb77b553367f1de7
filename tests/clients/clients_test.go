package clients

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/npm"
)

var binary harness.Binary

func TestMain(m *testing.M) {
	harness.Main(func(dir string) (int, error) { return run(m, dir) })
}

func run(m *testing.M, dir string) (status int, err error) {
	if binary, err = harness.Build(dir); err != nil {
		return 1, err
	}
	return m.Run(), nil
}

// The demo's numbers.
const (
	alice, bob, carol = "12025550101", "12025550102", "12025550103"
	// phoneTone is what the command-line phone sends.
	phoneTone = 440
)

// opener opens a stream of a number.
type opener func(t *testing.T, method, number string) *terminal

// grpcurl finds the tool, which 'make setup' installs.
func grpcurl(t *testing.T) string {
	t.Helper()
	if path, err := exec.LookPath("grpcurl"); err == nil {
		return path
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(cache, "tandem", "bin", "grpcurl")
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("grpcurl is missing: run 'make setup': %v", err)
	}
	return path
}

const service = "wgtwo.webterminal.v0.WebTerminalService"

// grpcurl, which is the vendor's own example of a client, learns the API from the
// server and completes calls.
func TestGrpcurl(t *testing.T) {
	tool := grpcurl(t)
	x := harness.StartExchange(t, binary, harness.AllInOne, harness.Options{})
	out, err := exec.CommandContext(t.Context(), tool, "-plaintext", x.GRPC, "describe", service).CombinedOutput() //nolint:gosec // our tool
	for _, want := range []string{"rpc Pipe", "rpc MultiPipe", "call.control.answer_and_initiate"} {
		if err != nil || !strings.Contains(string(out), want) {
			t.Errorf("described without %q: %v\n%s", want, err, out)
		}
	}
	refused := exec.CommandContext(t.Context(), tool, "-plaintext", "-d", "{}", x.GRPC, service+"/Pipe") //nolint:gosec // our tool
	if out, err := refused.CombinedOutput(); err == nil || !strings.Contains(string(out), codes.Unauthenticated.String()) {
		t.Errorf("without a token: %v\n%s", err, out)
	}
	complete(t, x, func(t *testing.T, method, number string) *terminal {
		return start(t, "grpcurl "+number, exec.CommandContext(t.Context(), tool, "-plaintext", "-d", "@", //nolint:gosec // our tool
			"-H", "authorization: Bearer demo", "-H", "wg2-msisdn: "+number, x.GRPC, service+"/"+method))
	})
}

// Node's gRPC client loads the .proto files and completes calls.
func TestNode(t *testing.T) {
	modules, err := npm.Install(t.Context(), "node")
	if err != nil {
		t.Fatal(err)
	}
	x := harness.StartExchange(t, binary, harness.AllInOne, harness.Options{})
	complete(t, x, func(t *testing.T, method, number string) *terminal {
		node := exec.CommandContext(t.Context(), "node", filepath.Join("node", "client.cjs"), //nolint:gosec // our own file
			x.GRPC, filepath.Join("..", "..", "adapters", "grpcpipe", "proto"), method, "demo", number)
		node.Env = append(os.Environ(), "NODE_PATH="+filepath.Join(modules, "node_modules"))
		return start(t, "node "+number, node)
	})
}

// complete makes whole calls with a client, on either method.
func complete(t *testing.T, x *harness.Exchange, open opener) {
	for _, method := range []string{"Pipe", "MultiPipe"} {
		t.Run(method, func(t *testing.T) {
			t.Run("places, pulls, pushes, hangs up", func(t *testing.T) { places(t, x, open, method) })
			t.Run("is called", func(t *testing.T) { isCalled(t, x, open, method) })
		})
	}
}

// places: Alice calls Carol's phone; Alice's other terminal, which opens in the
// middle of it, is shown the call and pulls it, then gives it to her phone, which is
// the first one again, and that hangs up.
func places(t *testing.T, x *harness.Exchange, open opener, method string) {
	phone := x.Listen(t, "--count", "1", "--tone", fmt.Sprint(phoneTone))
	one := open(t, method, alice)
	if method == "Pipe" {
		one.hears("idle id=")
	}
	id, first := grpcpipetest.NewUUID(), newSide(t)
	one.send(grpcpipetest.Offer(id, first.offer(), "+"+carol))
	one.hears("ringing id=" + id)
	first.answered(one.hears("answer id=" + id).GetAnswer().GetSdp())
	call := x.LiveCall(t)

	two, second := open(t, "Pipe", alice), newSide(t)
	two.hears("in_call +" + carol + " id=" + call)
	two.send(grpcpipetest.Offer(call, second.offer(), ""))
	second.answered(two.hears("answer id=" + call).GetAnswer().GetSdp())
	one.hears("bye id=" + id)
	one.hears("in_call +" + carol + " id=" + call)

	two.send(grpcpipetest.ToPhone(call))
	third, offer := newSide(t), one.next()
	leg := offer.GetCallId()
	if got, want := show(offer), "offer +"+carol+" id="+leg; got != want || leg == "" {
		t.Fatalf("heard %q, want %q", got, want)
	}
	one.send(grpcpipetest.Answer(leg, third.answer(offer.GetOffer().GetSdp())))
	third.flows()
	two.hears("in_call +" + carol + " id=" + call)
	if method == "MultiPipe" {
		one.hears("idle id=" + call) // by that name; it goes on by another
	}
	one.send(grpcpipetest.Bye(leg))
	two.hears("idle id=")
	if o := phone.Outcome(patience, harness.ExitEstablished); o.State != "established" || o.Reason != "remote_hangup" || o.RxPackets == 0 {
		t.Errorf("the phone: %+v", o)
	}
	x.AwaitNoCall(t)
}

// isCalled: the phone calls Bob, whose terminal rings and answers, and hears the end.
func isCalled(t *testing.T, x *harness.Exchange, open opener, method string) {
	one, media := open(t, method, bob), newSide(t)
	if method == "Pipe" {
		one.hears("idle id=")
		one.send(grpcpipetest.Bye("")) // errors keep the stream open
		one.hears("error NOT_INCALL id=")
	} else {
		one.send(grpcpipetest.Bye("nonsense"))
		one.hears("error INVALID_CALL_ID id=nonsense")
	}
	phone := x.Call(t, "+"+bob, "--duration", "1s", "--tone", fmt.Sprint(phoneTone))
	offer := one.next()
	id := offer.GetCallId()
	if got, want := show(offer), "offer +"+carol+" id="+id; got != want || id == "" {
		t.Fatalf("heard %q, want %q", got, want)
	}
	one.send(grpcpipetest.Ringing(id))
	one.send(grpcpipetest.Answer(id, media.answer(offer.GetOffer().GetSdp())))
	media.flows()
	one.hears("bye id=" + id)
	if o := phone.Outcome(patience, harness.ExitEstablished); o.State != "established" || o.Reason != "local_hangup" || o.RxPackets == 0 {
		t.Errorf("the phone: %+v", o)
	}
	x.AwaitNoCall(t)
}
