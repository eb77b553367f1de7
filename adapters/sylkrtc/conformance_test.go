package sylkrtc

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestConformanceSylkRTC1(t *testing.T) { kittest.Run(t, harness(sylkrtctest.V1)) }

func TestConformanceSylkRTC2(t *testing.T) { kittest.Run(t, harness(sylkrtctest.V2)) }

func harness(v string) kittest.Harness {
	cannot := map[kittest.Ability]string{
		kittest.SaysBusy: "session-terminate before the answer is a refusal, and gives no reason",
	}
	if v == sylkrtctest.V1 {
		cannot[kittest.HearsAlerting] = "sylkRTC-1 has no ringing"
		cannot[kittest.SignalsDTMF] = "sylkRTC-1 has no session-dtmf-info"
	}
	return kittest.Harness{
		Protocol: kittest.Protocol{
			Cannot:  cannot,
			Shows:   func(r callv1.Reason) callv1.Reason { return reasonIn(endedText(r, outgoing)) },
			Refusal: refusalOf,
		},
		Node:     func(t kittest.T) kittest.Node { return conformanceNode(t, v) },
		BadInput: badInput(),
	}
}

// reasonIn is what a client can tell from the text of an end.
func reasonIn(text string) callv1.Reason {
	switch text {
	case "500 Media Failed":
		return callv1.Reason_REASON_MEDIA_FAILED
	case "":
		return callv1.Reason_REASON_UNSPECIFIED
	}
	return map[string]callv1.Reason{
		"200": callv1.Reason_REASON_NORMAL, "403": callv1.Reason_REASON_FORBIDDEN, "404": callv1.Reason_REASON_NOT_FOUND,
		// The caller hears 408 of what the called hears as 487.
		"408": callv1.Reason_REASON_CANCELLED, "487": callv1.Reason_REASON_CANCELLED,
		"480": callv1.Reason_REASON_UNREACHABLE, "486": callv1.Reason_REASON_BUSY, "488": callv1.Reason_REASON_NOT_ACCEPTABLE,
		"500": callv1.Reason_REASON_INTERNAL, "503": callv1.Reason_REASON_OVERLOAD, "904": callv1.Reason_REASON_FORBIDDEN,
	}[text[:3]]
}

// codeIn is what a client can tell from an error reply.
func codeIn(text string) callv1.Code {
	for prefix, code := range map[string]callv1.Code{
		"503 ": callv1.Code_CODE_RETRY, "Internal": callv1.Code_CODE_INTERNAL, "Session ID": callv1.Code_CODE_CONFLICT,
		"Invalid value": callv1.Code_CODE_INVALID, "Unknown session": callv1.Code_CODE_NOT_FOUND,
		"Too many": callv1.Code_CODE_RATE_LIMITED, "Cannot answer": callv1.Code_CODE_REJECTED,
		"904 ": callv1.Code_CODE_UNAUTHENTICATED, "403 ": callv1.Code_CODE_FORBIDDEN,
	} {
		if strings.HasPrefix(text, prefix) {
			return code
		}
	}
	return callv1.Code_CODE_UNSPECIFIED
}

func refusalOf(op kittest.Op, code callv1.Code) kittest.Heard {
	ends := func(text string) kittest.Heard { return kittest.Heard{What: kittest.Ended, Reason: reasonIn(text)} }
	fails := func(c callv1.Code) kittest.Heard { return kittest.Heard{What: kittest.Refused, Code: c} }
	switch {
	case op == kittest.OpCall && (code == callv1.Code_CODE_CONFLICT || code == callv1.Code_CODE_ENDED):
		return fails(callv1.Code_CODE_CONFLICT)
	case op == kittest.OpCall && code != callv1.Code_CODE_INVALID:
		if text, ok := refusedCall(code); ok {
			return ends(text)
		}
	case op == kittest.OpAnswer && code == callv1.Code_CODE_CONFLICT:
		return ends(textCancelled)
	case op == kittest.OpAnswer && code == callv1.Code_CODE_NOT_ACCEPTABLE:
		return ends("488")
	case code == callv1.Code_CODE_NOT_FOUND || code == callv1.Code_CODE_INVALID:
		return fails(code)
	}
	return fails(codeIn(errorText(schema.Errorf(code, "x"))))
}

func conformanceNode(t kittest.T, v string) kittest.Node {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	cfg := Defaults()
	cfg.Listener = l
	cfg.MaxSessions = 1000 // so that it is not this that stops a slow peer
	spec := Spec()
	r := &ringHost{parked: map[string]*callv1.Command{}, change: make(chan struct{})}
	plain := spec.New
	spec.New = func(c kit.Config, h kit.Host) (kit.Adapter, error) {
		r.Host = h
		return plain(c, r)
	}
	return kittest.Node{Spec: spec, Config: cfg, Dial: func(ctx context.Context) (kittest.Client, error) {
		c, err := sylkrtctest.Dial(ctx, "ws://"+l.Addr().String()+cfg.Path, v, sylkrtctest.Options{})
		if err != nil {
			return nil, err
		}
		return &kitClient{Client: c, rings: r}, nil
	}}
}

// ringHost lets the kit say when a called terminal alerts. sylkRTC clients say
// nothing of it: the adapter says it for them as soon as they were told of the
// call, which is too soon for a kit that tells both apart. So it is kept until
// the kit's client rings.
type ringHost struct {
	kit.Host
	mu     sync.Mutex
	parked map[string]*callv1.Command // by session
	change chan struct{}
}

func (h *ringHost) Accept(ctx context.Context, c *callv1.Command, ref kit.Ref, done kit.Ack) {
	if c.GetRinging() == nil {
		h.Host.Accept(ctx, c, ref, done)
		return
	}
	h.mu.Lock()
	h.parked[schema.CompactUUID(c.GetLegId())] = c
	close(h.change)
	h.change = make(chan struct{})
	h.mu.Unlock()
	done(&callv1.Reply{}, nil)
}

// ring lets the Ringing of a session go on its way, once the adapter has said
// it.
func (h *ringHost) ring(ctx context.Context, session string, done kit.Ack) error {
	for {
		h.mu.Lock()
		c, change := h.parked[session], h.change
		delete(h.parked, session)
		h.mu.Unlock()
		if c != nil {
			go h.Host.Accept(context.WithoutCancel(ctx), c, kit.Ref{}, done)
			return nil
		}
		select {
		case <-change:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// kitClient is a test client as the kit has it.
type kitClient struct {
	*sylkrtctest.Client
	rings *ringHost
	who   kittest.Account
}

func (c *kitClient) SignIn(ctx context.Context, a kittest.Account) error {
	c.who = a
	err := c.AddAccount(ctx, a.AOR, a.HA1)
	if err == nil {
		err = c.Register(ctx, a.AOR)
	}
	var e *sylkrtctest.Error
	if errors.As(err, &e) {
		return schema.Errorf(codeIn(e.Text), "%s", e.Text)
	}
	return err
}

func (c *kitClient) Call(ctx context.Context, to kittest.Account, sdp string) (kittest.Call, error) {
	k := c.call(rand.Text())
	t := rand.Text()
	text, err := json.Marshal(map[string]any{"sylkrtc": "session-create", "transaction": t,
		"session": k.id, "account": c.who.AOR, "uri": to.AOR, "sdp": sdp})
	if err != nil {
		return nil, err
	}
	k.outgoing, k.first = true, string(text)
	k.made(t, kittest.OpCall)
	return k, c.SendText(ctx, k.first)
}

func (c *kitClient) Incoming(ctx context.Context) (kittest.Call, error) {
	m, err := c.Client.Incoming(ctx, c.who.AOR)
	if err != nil {
		return nil, err
	}
	k := c.call(m.Session)
	k.sdp = m.SDP
	return k, nil
}

func (c *kitClient) Named(id string) kittest.Call { return c.call(id) }

func (c *kitClient) SignOut(context.Context) error { return c.Leave() }

func (c *kitClient) call(id string) *kitCall {
	return &kitCall{c: c, id: id, asked: map[string]kittest.Op{}, rang: make(chan error, 4)}
}

// kitCall is a session as the kit has it.
type kitCall struct {
	c        *kitClient
	id, sdp  string
	outgoing bool
	first    string
	rang     chan error

	mu    sync.Mutex
	asked map[string]kittest.Op // by transaction
}

func (k *kitCall) ID() string  { return k.id }
func (k *kitCall) SDP() string { return k.sdp }

func (k *kitCall) made(transaction string, op kittest.Op) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked[transaction] = op
}

func (k *kitCall) ask(ctx context.Context, op kittest.Op, name string, fields map[string]any) error {
	t := rand.Text()
	k.made(t, op)
	fields["sylkrtc"], fields["transaction"], fields["session"] = name, t, k.id
	_, err := k.c.Send(ctx, fields)
	return err
}

func (k *kitCall) Repeat(ctx context.Context) error { return k.c.SendText(ctx, k.first) }

func (k *kitCall) Ring(ctx context.Context) error {
	return k.c.rings.ring(ctx, k.id, func(_ *callv1.Reply, err error) { k.rang <- err })
}

func (k *kitCall) Answer(ctx context.Context, sdp string) error {
	return k.ask(ctx, kittest.OpAnswer, "session-answer", map[string]any{"sdp": sdp})
}

func (k *kitCall) Reject(ctx context.Context, _ callv1.Reason) error {
	return k.ask(ctx, kittest.OpReject, "session-terminate", map[string]any{})
}

func (k *kitCall) HangUp(ctx context.Context) error {
	return k.ask(ctx, kittest.OpHangUp, "session-terminate", map[string]any{})
}

func (k *kitCall) Trickle(ctx context.Context, candidate string) error {
	return k.c.Client.Trickle(ctx, k.id, sylkrtctest.Candidate{Candidate: candidate, Mid: "0"})
}

func (k *kitCall) DTMF(ctx context.Context, digit string) error {
	return k.c.Request(ctx, map[string]any{"sylkrtc": "session-dtmf-info", "session": k.id, "digit": digit})
}

// Next gives the wire's next word about the session; what it says before a call
// alerts ("progress") is no news to the kit.
func (k *kitCall) Next(ctx context.Context) (kittest.Heard, error) {
	// What Ring was told is no message; it is looked for beside them.
	both, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		select {
		case err := <-k.rang:
			k.rang <- err
			cancel(errRang)
		case <-stop:
		}
	}()
	for {
		m, err := k.c.Next(both, func(m sylkrtctest.Message) bool {
			k.mu.Lock()
			defer k.mu.Unlock()
			return m.Type == "session-event" && m.Session == k.id || m.Transaction != "" && k.asked[m.Transaction] != ""
		})
		if err != nil && ctx.Err() == nil && errors.Is(context.Cause(both), errRang) {
			return kittest.Heard{What: kittest.Acked, Op: kittest.OpRing}, <-k.rang
		}
		if err != nil || m.State != "progress" && m.State != "proceeding" {
			return k.heard(m), err
		}
	}
}

var errRang = errors.New("rang")

func (k *kitCall) heard(m sylkrtctest.Message) kittest.Heard {
	k.mu.Lock()
	op := k.asked[m.Transaction]
	k.mu.Unlock()
	switch {
	case m.Type == "ack":
		return kittest.Heard{What: kittest.Acked, Op: op}
	case m.Type == "error":
		return kittest.Heard{What: kittest.Refused, Op: op, Code: codeIn(m.Error)}
	case m.State == "ringing":
		return kittest.Heard{What: kittest.Alerting}
	case m.State == "accepted" && k.outgoing:
		return kittest.Heard{What: kittest.Answered, SDP: m.SDP}
	case m.State == "accepted":
		return kittest.Heard{What: kittest.Accepted}
	case m.State == "established":
		return kittest.Heard{What: kittest.Established}
	case m.State == "terminated":
		return kittest.Heard{What: kittest.Ended, Reason: reasonIn(m.Reason)}
	}
	return kittest.Heard{What: kittest.What(m.Raw)}
}

// badInput is what no client sends. Each is followed by a request whose answer
// shows that the bad one was dealt with.
func badInput() []kittest.BadInput {
	var out []kittest.BadInput
	text := func(name, message, want string) {
		out = append(out, kittest.BadInput{Name: name, Send: func(ctx context.Context, kc kittest.Client) error {
			c := kc.(*kitClient)
			if err := c.SendText(ctx, message); err != nil {
				return err
			}
			if want != "" {
				var e *sylkrtctest.Error
				if err := c.Reply(ctx, "T"); !errors.As(err, &e) || !strings.HasPrefix(e.Text, want) {
					return errors.Join(errors.New("want "+want), err)
				}
			}
			return stillServes(ctx, c)
		}})
	}
	text("truncated JSON", `{"sylkrtc":"session-create","transaction":`, "")
	text("truncated JSON with a transaction", `{"transaction":"T","sylkrtc":"session-create","sdp":"v=0`, "malformed JSON")
	text("no object", `["sylkrtc"]`, "")
	text("a transaction that is no text", `{"sylkrtc":"session-terminate","transaction":{},"session":"s"}`, "")
	text("no type", `{"transaction":"T"}`, "could not get")
	text("an unknown type", `{"transaction":"T","sylkrtc":"call-me"}`, "unknown WebSocket request")
	text("a missing field", `{"transaction":"T","sylkrtc":"session-create","session":"s"}`, "Mandatory property")
	text("a field of the wrong type", `{"transaction":"T","sylkrtc":"session-terminate","session":[]}`, "Invalid value")
	text("an account that was not added", `{"transaction":"T","sylkrtc":"session-create","session":"s","account":"zoe@example.com","uri":"bob@example.com","sdp":""}`, "Unknown account")
	text("an address that is none", `{"transaction":"T","sylkrtc":"session-create","session":"s","account":"alice@example.com","uri":"\u0000","sdp":""}`, "invalid SIP URI")
	text("an account twice", `{"transaction":"T","sylkrtc":"account-add","account":"alice@example.com","password":"x"}`, "Account alice@example.com already added")
	text("a foreign domain", `{"transaction":"T","sylkrtc":"account-add","account":"alice@elsewhere.org","password":"x"}`, "SIP domain not allowed")
	text("deep nesting", `{"transaction":"T","sylkrtc":"session-trickle","session":"s","candidates":`+strings.Repeat("[", 15000)+strings.Repeat("]", 15000)+`}`, "malformed JSON")
	out = append(out, kittest.BadInput{Name: "a binary message", Send: func(ctx context.Context, kc kittest.Client) error {
		c := kc.(*kitClient)
		return errors.Join(c.SendBinary(ctx, []byte{1, 2, 3}), stillServes(ctx, c))
	}}, kittest.BadInput{Name: "an oversized message", Closes: true, Send: func(ctx context.Context, kc kittest.Client) error {
		c := kc.(*kitClient)
		if err := c.SendText(ctx, `{"transaction":"T","x":"`+strings.Repeat("x", Defaults().MaxMessage)+`"}`); err != nil {
			return nil //nolint:nilerr // it was cut off while it was sent
		}
		if err := c.Ended(ctx); ctx.Err() != nil {
			return err
		}
		return nil
	}})
	return out
}

func stillServes(ctx context.Context, c *kitClient) error {
	var e *sylkrtctest.Error
	if err := c.RemoveAccount(ctx, "nobody@example.com"); !errors.As(err, &e) {
		return errors.Join(errors.New("no answer any more"), err)
	}
	return nil
}
