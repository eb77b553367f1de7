package media

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/membus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

// Kinds of child process.
const (
	childNode = "node"
	childBare = "bare"
)

const childEnv = "TANDEM_MEDIA_TEST_CHILD"

// TestMain runs the child's side in a process started by startChild.
func TestMain(m *testing.M) {
	switch os.Getenv(childEnv) {
	case childNode:
		serveChild(newNodeChild())
	case childBare:
		serveChild(&bareChild{calls: map[string][2]*mediatest.Client{}})
	default:
		os.Exit(m.Run())
	}
}

// request and response travel as JSON lines on the child's standard streams.
type request struct {
	What string // "offer", "answer", "release", "usage"
	Call string
	SDP  string
}

type response struct {
	SDP   string
	Error string
	Usage usage
}

// usage is what a child has used.
type usage struct {
	CPU time.Duration
	// Measuring is what this very measuring took, which the next CPU contains.
	Measuring             time.Duration
	Resident, Heap, Stack int64
	Goroutines            int64
}

// exchanger is what stands in the middle of a call.
type exchanger interface {
	// offer takes the caller's offer and gives the callee's; answer the other way.
	offer(c call, sdp string) (string, error)
	answer(c call, sdp string) (string, error)
	release(c call) error
}

func serveChild(x exchanger) {
	in, out := json.NewDecoder(os.Stdin), json.NewEncoder(os.Stdout)
	for {
		var q request
		if err := in.Decode(&q); err != nil {
			return
		}
		var a response
		var err error
		switch q.What {
		case "offer":
			a.SDP, err = x.offer(call{q.Call}, q.SDP)
		case "answer":
			a.SDP, err = x.answer(call{q.Call}, q.SDP)
		case "release":
			err = x.release(call{q.Call})
		case "usage":
			a.Usage = measure()
		}
		if err != nil {
			a.Error = err.Error()
		}
		if err := out.Encode(a); err != nil {
			return
		}
	}
}

// measure reads the process's CPU time and, after a collection, its memory.
func measure() usage {
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return usage{}
	}
	u := usage{CPU: time.Duration(r.Utime.Nano() + r.Stime.Nano())}
	debug.FreeOSMemory()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	u.Heap, u.Stack, u.Goroutines = int64(m.HeapInuse), int64(m.StackInuse), int64(runtime.NumGoroutine()) //nolint:gosec // sizes
	if b, err := os.ReadFile("/proc/self/statm"); err == nil {
		if f := strings.Fields(string(b)); len(f) > 1 {
			pages, _ := strconv.ParseInt(f[1], 10, 64)
			u.Resident = pages * int64(os.Getpagesize())
		}
	}
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err == nil {
		u.Measuring = time.Duration(r.Utime.Nano()+r.Stime.Nano()) - u.CPU
	}
	return u
}

// child is the parent's hold on a child process.
type child struct {
	in  *json.Encoder
	out *json.Decoder
}

func startChild(t testing.TB, kind string) *child {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(self)
	cmd.Env = append(os.Environ(), childEnv+"="+kind)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Wait()
	})
	return &child{json.NewEncoder(in), json.NewDecoder(bufio.NewReader(out))}
}

func (c *child) ask(t testing.TB, q request) response {
	t.Helper()
	var a response
	if err := c.in.Encode(q); err != nil {
		t.Fatal(err)
	}
	if err := c.out.Decode(&a); err != nil {
		t.Fatal(err)
	}
	if a.Error != "" {
		t.Fatalf("%s: %s", q.What, a.Error)
	}
	return a
}

func (c *child) offer(t testing.TB, x call, sdp string) string {
	return c.ask(t, request{"offer", x.id, sdp}).SDP
}

func (c *child) answer(t testing.TB, x call, sdp string) string {
	return c.ask(t, request{"answer", x.id, sdp}).SDP
}

func (c *child) release(t testing.TB, x call) { c.ask(t, request{What: "release", Call: x.id}) }
func (c *child) usage(t testing.TB) usage     { return c.ask(t, request{What: "usage"}).Usage }

// bareChild answers and offers with plain PeerConnections.
type bareChild struct {
	cert  *webrtc.Certificate
	calls map[string][2]*mediatest.Client
}

func (b *bareChild) offer(c call, sdp string) (string, error) {
	if b.cert == nil {
		var err error
		if b.cert, err = newCertificate(); err != nil {
			return "", err
		}
	}
	var pair [2]*mediatest.Client
	for i := range pair {
		var err error
		if pair[i], err = mediatest.New(benchOptions(b.cert)); err != nil {
			return "", err
		}
	}
	b.calls[c.id] = pair
	if err := pair[0].PC.SetRemoteDescription(webrtc.SessionDescription{Type: webrtc.SDPTypeOffer, SDP: sdp}); err != nil {
		return "", err
	}
	return pair[1].Offer()
}

func (b *bareChild) answer(c call, sdp string) (string, error) {
	pair := b.calls[c.id]
	if err := pair[1].Take(sdp); err != nil {
		return "", err
	}
	return pair[0].AnswerTaken()
}

func (b *bareChild) release(c call) error {
	pair := b.calls[c.id]
	delete(b.calls, c.id)
	pair[0].Close()
	pair[1].Close()
	return nil
}

func newCertificate() (*webrtc.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return webrtc.GenerateCertificate(key)
}

func certificate(t testing.TB) *webrtc.Certificate {
	t.Helper()
	return check[*webrtc.Certificate](t)(newCertificate())
}

// nodeChild is a media node with a bus and a call state that takes every fact.
type nodeChild struct{ owner *bus.Bus }

func newNodeChild() *nodeChild {
	server := membus.NewServer()
	owner, err := bus.New(server.Connect(), "callstate", "c1")
	if err != nil {
		panic(err)
	}
	for p := range uint32(schema.Partitions) {
		_, err := owner.ServeCommands(p, func(_ *callv1.Identity, _ string, c *callv1.Command, respond func(*callv1.Reply)) {
			respond(&callv1.Reply{CommandId: c.GetId()})
		})
		if err != nil {
			panic(err)
		}
	}
	b, err := bus.New(server.Connect(), "media", "m1")
	if err != nil {
		panic(err)
	}
	s, err := New(Config{Listen: "127.0.0.1:0"}, Env{Bus: b})
	if err != nil {
		panic(err)
	}
	ready := make(chan struct{})
	go func() { _ = s.Run(context.Background(), func() { close(ready) }) }()
	<-ready
	return &nodeChild{owner}
}

func (n *nodeChild) do(c call, ops ...*callv1.MediaOp) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	r, err := n.owner.Media(ctx, "m1", &callv1.MediaCommand{Id: schema.NewID(), CallId: c.id, Epoch: 1, Ops: ops})
	if err != nil {
		return "", err
	}
	text := ""
	for _, result := range r.GetResults() {
		if err := schema.FromProto(result.GetError()); err != nil {
			return "", err
		}
		if result.GetSdp() != "" {
			text = result.GetSdp()
		}
	}
	return text, schema.FromProto(r.GetError())
}

func (n *nodeChild) offer(c call, sdp string) (string, error) {
	return n.do(c, opTakeOffer(c.leg(1), sdp), opMakeOffer(c.leg(2), c.leg(1)), opKeep(c.leg(1)), opKeep(c.leg(2)))
}

func (n *nodeChild) answer(c call, sdp string) (string, error) {
	return n.do(c, opTakeAnswer(c.leg(2), sdp), opMakeAnswer(c.leg(1), c.leg(2)), opBridge(c.leg(1), c.leg(2)))
}

func (n *nodeChild) release(c call) error {
	_, err := n.do(c, opRelease(c.leg(1)), opRelease(c.leg(2)))
	return err
}
