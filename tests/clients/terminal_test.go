package clients

import (
	"bytes"
	"encoding/json"
	"io"
	"os/exec"
	"sync"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe/grpcpipetest"
)

// patience bounds every wait; it is only ever reached by a failure.
const patience = 20 * time.Second

type message = grpcpipetest.Message

// terminal is a client's process with one stream. What it says and hears is JSON, as
// protocol buffers have it, on its standard input and output.
type terminal struct {
	t      *testing.T
	name   string
	stdin  io.WriteCloser
	heard  chan *message
	errors *output
}

// output collects what a process complains of.
type output struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// start runs a client; the test's end kills it.
func start(t *testing.T, name string, cmd *exec.Cmd) *terminal {
	t.Helper()
	x := &terminal{t: t, name: name, heard: make(chan *message, 64), errors: &output{}}
	stdout, out := io.Pipe()
	cmd.Stdout, cmd.Stderr = out, x.errors
	var err error
	if x.stdin, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	read := make(chan struct{})
	go func() {
		defer close(read)
		defer close(x.heard)
		x.read(stdout)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()         // killed
		_ = out.Close()
		<-read
		if t.Failed() {
			t.Logf("%s complains:\n%s", name, x.errors)
		}
	})
	return x
}

// read takes JSON objects until there are no more.
func (x *terminal) read(from io.Reader) {
	d := json.NewDecoder(from)
	for {
		var text json.RawMessage
		if err := d.Decode(&text); err != nil {
			_, _ = io.Copy(io.Discard, from) // so that it can go on writing
			return
		}
		m := &message{}
		if err := (protojson.UnmarshalOptions{DiscardUnknown: true}).Unmarshal(text, m); err != nil {
			x.t.Errorf("%s: %v in %s", x.name, err, text)
			return
		}
		x.heard <- m
	}
}

func (x *terminal) send(m *message) {
	x.t.Helper()
	text, err := protojson.Marshal(m)
	if err == nil {
		_, err = x.stdin.Write(append(text, '\n'))
	}
	if err != nil {
		x.t.Fatalf("%s: %v", x.name, err)
	}
}

// next waits for the next message.
func (x *terminal) next() *message {
	x.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case m, ok := <-x.heard:
		if ok {
			return m
		}
		x.t.Fatalf("%s ended: %s", x.name, x.errors)
	case <-late.C:
		x.t.Fatalf("%s heard nothing more: %s", x.name, x.errors)
	}
	return nil
}

// hears waits for the next message and wants it to be this, but for its description:
// "answer id=…".
func (x *terminal) hears(want string) *message {
	x.t.Helper()
	m := x.next()
	if got := show(m); got != want {
		x.t.Fatalf("%s heard %q, want %q", x.name, got, want)
	}
	return m
}

// show is a message in one line, without its description.
func show(m *message) string {
	switch {
	case m.GetOffer() != nil:
		return "offer " + m.GetOffer().GetMsisdn().GetE164() + " id=" + m.GetCallId()
	case m.GetAnswer() != nil:
		return "answer id=" + m.GetCallId()
	}
	return grpcpipetest.Show(m)
}
