package sylkrtctest

import (
	"context"
	"crypto/rand"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Kit makes a client one of the conformance kit's, of either version. rings is what
// its node's Spec was wrapped with, so that Ring has a meaning; without it a called
// terminal alerts by itself, as its protocol has it, and Ring does nothing.
func Kit(c *Client, rings *kittest.Alerts) kittest.Client {
	k := &KitClient{Client: c, rings: rings}
	if c.version == V1 {
		return k
	}
	return &kitClient2{k}
}

// KitClient is a client as the kit has it, in what both versions can do.
type KitClient struct {
	*Client
	rings *kittest.Alerts
	who   kittest.Account
}

// Beneath gives the connection beneath a client that Kit made; nil for another's.
func Beneath(c kittest.Client) *Client {
	switch c := c.(type) {
	case *KitClient:
		return c.Client
	case *kitClient2:
		return c.Client
	}
	return nil
}

// prefix is that of the headers that the kit's accounts ask for.
const prefix = "X-"

// SignIn implements kittest.Client.
func (c *KitClient) SignIn(ctx context.Context, a kittest.Account) error {
	c.who = a
	err := c.Request(ctx, map[string]any{"sylkrtc": "account-add", "account": a.AOR, "password": a.HA1,
		"display_name": "", "user_agent": "sylkrtctest", "incoming_header_prefixes": []string{prefix}})
	if err == nil {
		err = c.Register(ctx, a.AOR)
	}
	var e *Error
	if errors.As(err, &e) {
		return schema.Errorf(CodeIn(e.Text), "%s", e.Text)
	}
	return err
}

// Call implements kittest.Client.
func (c *KitClient) Call(ctx context.Context, to kittest.Account, sdp string) (kittest.Call, error) {
	k, err := c.place(ctx, to, sdp, nil)
	return k, err
}

// Incoming implements kittest.Client.
func (c *KitClient) Incoming(ctx context.Context) (kittest.Call, error) {
	k, err := c.rung(ctx)
	return k, err
}

// Named implements kittest.Client.
func (c *KitClient) Named(id string) kittest.Call { return c.call(id) }

// SignOut implements kittest.Client.
func (c *KitClient) SignOut(context.Context) error { return c.Leave() }

// Missed waits for the notice of a call that was missed, and gives who called.
func (c *KitClient) Missed(ctx context.Context) (from Identity, err error) {
	m, err := c.Next(ctx, func(m Message) bool { return m.Event == "missed-session" && m.Account == c.who.AOR })
	return m.Originator, err
}

func (c *KitClient) call(id string) *KitCall {
	return &KitCall{c: c, id: id, asked: map[string]kittest.Op{}, rang: make(chan error, 4)}
}

func (c *KitClient) place(ctx context.Context, to kittest.Account, sdp string, hs []*callv1.Header) (*KitCall, error) {
	k := c.call(rand.Text())
	k.outgoing = true
	k.first = map[string]any{"sylkrtc": "session-create", "transaction": rand.Text(),
		"session": k.id, "account": c.who.AOR, "uri": to.AOR, "sdp": sdp, "headers": wireHeaders(hs)}
	k.asks(k.first["transaction"].(string), kittest.OpCall)
	_, err := c.Send(ctx, k.first)
	return k, err
}

func (c *KitClient) rung(ctx context.Context) (*KitCall, error) {
	m, err := c.Client.Incoming(ctx, c.who.AOR)
	if err != nil {
		return nil, err
	}
	k := c.call(m.Session)
	k.incoming = m
	return k, nil
}

// wireHeaders are headers as a request has them.
func wireHeaders(hs []*callv1.Header) []map[string]string {
	out := []map[string]string{}
	for _, h := range hs {
		out = append(out, map[string]string{"name": h.GetName(), "value": h.GetValue()})
	}
	return out
}

// headersIn are headers as an event has them, by name.
func headersIn(m map[string]string) []*callv1.Header {
	var out []*callv1.Header
	for _, name := range slices.Sorted(maps.Keys(m)) {
		out = append(out, &callv1.Header{Name: name, Value: m[name]})
	}
	return out
}

// kitClient2 adds what sylkRTC-2 can do.
type kitClient2 struct{ *KitClient }

func (c *kitClient2) Call(ctx context.Context, to kittest.Account, sdp string) (kittest.Call, error) {
	return c.CallWith(ctx, to, sdp, nil)
}

// CallWith implements kittest.HeaderCaller.
func (c *kitClient2) CallWith(ctx context.Context, to kittest.Account, sdp string, hs []*callv1.Header) (kittest.Call, error) {
	k, err := c.place(ctx, to, sdp, hs)
	return &kitCall2{k}, err
}

func (c *kitClient2) Incoming(ctx context.Context) (kittest.Call, error) {
	k, err := c.rung(ctx)
	if err != nil {
		return nil, err
	}
	return &kitCall2{k}, nil
}

func (c *kitClient2) Named(id string) kittest.Call { return &kitCall2{c.call(id)} }

// kitCall2 adds what sylkRTC-2 can do in a call.
type kitCall2 struct{ *KitCall }

// Reoffer implements kittest.Reofferer.
func (k *kitCall2) Reoffer(ctx context.Context, sdp string) error {
	return k.ask(ctx, kittest.OpReoffer, "session-update", map[string]any{"sdp": sdp})
}

// AnswerReoffer implements kittest.ReofferTaker. As every client's answer, and
// unlike the kit's descriptions, it is not open about the DTLS role.
func (k *kitCall2) AnswerReoffer(ctx context.Context, sdp string) error {
	sdp = strings.ReplaceAll(sdp, "a=setup:actpass", "a=setup:passive")
	return k.ask(ctx, kittest.OpAnswerReoffer, "session-update", map[string]any{"sdp": sdp})
}

// HearsEarly implements kittest.EarlyHearer.
func (k *kitCall2) HearsEarly() {}

// Headers implements kittest.HeaderBearer.
func (k *kitCall2) Headers() []*callv1.Header { return headersIn(k.incoming.Headers) }

// AnswerWith implements kittest.HeaderBearer.
func (k *kitCall2) AnswerWith(ctx context.Context, sdp string, hs []*callv1.Header) error {
	return k.ask(ctx, kittest.OpAnswer, "session-answer", map[string]any{"sdp": sdp, "headers": wireHeaders(hs)})
}
