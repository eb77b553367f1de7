package sylkrtc

import (
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// deviceToken tells by what push service an account's device can be woken.
type deviceToken struct {
	account, token, platform, device, app string
	silent                                bool
}

const (
	maxToken  = 4096
	maxDevice = 128
)

func parseDeviceToken(f *fields) request {
	r := &deviceToken{
		account: f.aor("account"), token: f.text("token"), platform: f.text("platform"), device: f.text("device"), app: f.text("app"),
	}
	switch raw := string(f.m["silent"]); raw {
	case "true":
		r.silent = true
	case "false", "null", "":
	default:
		f.invalid("silent")
	}
	switch {
	case f.wrong != "":
	case r.token == "" || len(r.token) > maxToken:
		f.invalid("token")
	case len(r.platform) > 32:
		f.invalid("platform")
	case len(r.device) > maxDevice:
		f.invalid("device")
	case len(r.app) > maxDevice:
		f.invalid("app")
	}
	return r
}

// carryOut has the directory remember the device.
func (r *deviceToken) carryOut(p *peer, t string) {
	a, principal, ok := p.correspondent(t, r.account)
	if !ok {
		return
	}
	d := &callv1.PutDevice{
		Subscriber: principal.GetSubscriber(), Account: a.aor.AOR(), Token: r.token, Platform: r.platform,
		Device: r.device, App: r.app, Silent: r.silent,
	}
	m := &p.a.messaging
	ctx, cancel := m.within()
	defer cancel()
	if err := m.a.host.PutDevice(ctx, d); err != nil {
		p.a.log.Info("device not remembered", "account", a.aor.AOR(), "platform", r.platform, "error", err)
		p.send(failure{t, deviceError(err)})
		return
	}
	m.mu.Lock()
	m.devices[a] = d
	m.mu.Unlock()
	p.a.log.Info("device remembered", "account", a.aor.AOR(), "platform", r.platform)
	p.send(ack{t})
}

func deviceError(err error) string {
	switch schema.CodeOf(err) {
	case callv1.Code_CODE_OVERLOAD:
		return "Too many devices"
	case callv1.Code_CODE_INVALID:
		return "Invalid value for 'token' property"
	case callv1.Code_CODE_NOT_FOUND, callv1.Code_CODE_UNSUPPORTED:
		return "Devices are not woken here"
	}
	return errorText(err)
}

// unregistered forgets the device that an account's connection gave: who signs
// out wants no more calls there. A connection that breaks leaves it.
func (m *messaging) unregistered(a *account) {
	m.mu.Lock()
	d := m.devices[a]
	delete(m.devices, a)
	m.mu.Unlock()
	if d == nil {
		return
	}
	forget := &callv1.PutDevice{
		Subscriber: d.GetSubscriber(), Account: d.GetAccount(), Token: d.GetToken(), Platform: d.GetPlatform(),
		Device: d.GetDevice(), App: d.GetApp(), Silent: d.GetSilent(), Forget: true,
	}
	ctx, cancel := m.within()
	defer cancel()
	if err := m.a.host.PutDevice(ctx, forget); err != nil {
		m.a.log.Info("device not forgotten", "account", d.GetAccount(), "error", err)
	}
}
