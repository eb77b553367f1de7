package phone

import (
	"context"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	commonv0 "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/common/v0"
	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

// patience bounds every wait of a test; it is only ever reached by a failure.
const patience = 15 * time.Second

// exchange is a WG2 server that joins terminals by number, as simply as can be:
// what one says of a call the other hears, so that media goes straight from
// phone to phone.
type exchange struct {
	wgtwo.UnimplementedWebTerminalServiceServer
	addr string
	// opened gets the number of every terminal that registers.
	opened chan string
	// script, if set, sees a message first and answers it; true: it is dealt with.
	script func(from string, m *message, say func(*message)) bool

	// keeps: a call outlives a Pipe's stream, and is shown to the next one.
	keeps bool

	mu    sync.Mutex
	terms map[string]*extension
	calls map[string][2]string // call_id -> the two numbers
}

// extension is a number's present stream, and what waits for the next.
type extension struct {
	ctx    context.Context
	send   func(*message) error
	hangUp context.CancelFunc
	wait   []*message
	single bool
}

func startExchange(t *testing.T, opts ...grpc.ServerOption) *exchange {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	x := &exchange{
		addr: ln.Addr().String(), opened: make(chan string, 64),
		terms: make(map[string]*extension), calls: make(map[string][2]string),
	}
	srv := grpc.NewServer(opts...)
	wgtwo.RegisterWebTerminalServiceServer(srv, x)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(ln) }()
	t.Cleanup(func() {
		srv.Stop()
		<-done
	})
	return x
}

func (x *exchange) MultiPipe(st grpc.BidiStreamingServer[message, message]) error {
	return x.serve(st, false)
}

func (x *exchange) Pipe(st grpc.BidiStreamingServer[message, message]) error {
	return x.serve(st, true)
}

func (x *exchange) serve(st grpc.BidiStreamingServer[message, message], single bool) error {
	md, _ := metadata.FromIncomingContext(st.Context())
	if got := md.Get("authorization"); len(got) != 1 || got[0] != "Bearer demo" {
		return status.Error(codes.Unauthenticated, "the token is not valid")
	}
	number := "+" + strings.Join(md.Get("wg2-msisdn"), "")
	if single {
		if err := st.Send(x.opening(number)); err != nil {
			return err
		}
	} else if err := st.SendHeader(nil); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(st.Context())
	defer cancel()
	x.mu.Lock()
	e := x.terms[number]
	if e == nil {
		e = &extension{}
		x.terms[number] = e
	}
	e.ctx, e.send, e.hangUp, e.single = ctx, st.Send, cancel, single
	for _, m := range e.wait {
		_ = st.Send(m)
	}
	e.wait = nil
	x.mu.Unlock()
	x.opened <- number
	failed := make(chan error, 1)
	go func() {
		for {
			m, err := st.Recv()
			if err != nil {
				failed <- err
				return
			}
			x.take(number, m)
		}
	}()
	var err error
	select {
	case err = <-failed:
	case <-ctx.Done():
		err = status.Error(codes.Unavailable, "cut off")
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if e.ctx == ctx { // or the next stream is there already
		e.send = nil
	}
	return err
}

// opening is what a Pipe hears first.
func (x *exchange) opening(number string) *message {
	x.mu.Lock()
	defer x.mu.Unlock()
	id, far := x.callOf(number)
	if id == "" || !x.keeps {
		return &message{Message: &wgtwo.WebTerminalMessage_Idle{Idle: &wgtwo.Idle{}}}
	}
	m := inCallMessage(id)
	m.GetInCall().Msisdn = &commonv0.PhoneNumber{E164: far}
	return m
}

// callOf gives a call that a number is in, and with whom. It is called with mu held.
func (x *exchange) callOf(number string) (id, far string) {
	for id, both := range x.calls {
		switch number {
		case both[0]:
			return id, both[1]
		case both[1]:
			return id, both[0]
		}
	}
	return "", ""
}

// take passes a message on.
func (x *exchange) take(from string, m *message) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if id, _ := x.callOf(from); x.terms[from].single && id != "" {
		m.CallId = id // a Pipe need not name it; an Offer pulls it
	}
	if x.script != nil && x.script(from, m, func(m *message) { x.say(from, m) }) {
		return
	}
	call, ok := x.calls[m.GetCallId()]
	if o := m.GetOffer(); o != nil && !ok {
		to := o.GetMsisdn().GetE164()
		if x.terms[to] == nil {
			x.say(from, byeMessage(m.GetCallId()))
			return
		}
		x.calls[m.GetCallId()] = [2]string{from, to}
		x.say(to, offerMessage(m.GetCallId(), o.GetSdp(), from))
		return
	}
	if !ok {
		code := wgtwo.Error_INVALID_CALL_ID
		if x.terms[from].single {
			code = wgtwo.Error_NOT_INCALL
		}
		x.say(from, errorMessage(m.GetCallId(), code))
		return
	}
	to := call[0]
	if to == from {
		to = call[1]
	}
	if m.GetBye() != nil {
		delete(x.calls, m.GetCallId())
	}
	x.say(to, m)
}

// say is called with mu held.
func (x *exchange) say(to string, m *message) {
	e := x.terms[to]
	if e.send == nil {
		e.wait = append(e.wait, m)
		return
	}
	_ = e.send(m)
}

// cut breaks a terminal's stream off.
func (x *exchange) cut(number string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.terms[number].hangUp()
}

func errorMessage(id string, code wgtwo.Error_Code) *message {
	return &message{CallId: id, Message: &wgtwo.WebTerminalMessage_Error{Error: &wgtwo.Error{Err: code}}}
}
