package sylkrtc

import (
	"testing"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/sylkrtctest"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestRequestAccountDevicetoken(t *testing.T) {
	both(t, func(t *testing.T, v string) {
		s := serve(t, nil)
		c := s.client(t, v)
		token := func(account string) map[string]any {
			return map[string]any{"account": account, "token": "tok-background", "platform": "ios", "device": "d1", "silent": true, "app": "com.example.app"}
		}
		c.refused(c.request("account-devicetoken", token(alice)), "Unknown account specified: alice@example.com")
		c.ok(c.AddAccount(within(t), bob, sylkrtctest.HA1(bob, "wrong")))
		c.refused(c.request("account-devicetoken", token(bob)), "Account not authenticated")
		c.ok(c.AddAccount(within(t), alice, sylkrtctest.HA1(alice, "secret")))
		c.ok(c.request("account-devicetoken", token("sip:"+alice))) // before it registers, too
		d := <-s.host.devices
		if d.GetSubscriber() != "alice" || d.GetAccount() != alice || d.GetToken() != "tok-background" || d.GetPlatform() != "ios" ||
			d.GetDevice() != "d1" || d.GetApp() != "com.example.app" || !d.GetSilent() || d.GetForget() {
			t.Errorf("the device is %v", d)
		}
		c.refused(c.request("account-devicetoken", with(token(alice), "token", "")), "Invalid value for 'token' property")
		c.refused(c.request("account-devicetoken", with(token(alice), "silent", "yes")), "Invalid value for 'silent' property")
		s.host.with(func() { s.host.putDevice = schema.Errorf(callv1.Code_CODE_OVERLOAD, "full") })
		c.refused(c.request("account-devicetoken", token(alice)), "Too many devices")
		<-s.host.devices
		s.host.with(func() { s.host.putDevice = nil })

		// Signing out forgets the device that this connection gave; removing the
		// account, or losing the connection, does not.
		c.ok(c.Register(within(t), alice))
		c.ok(c.Unregister(within(t), alice))
		if d := <-s.host.devices; !d.GetForget() || d.GetToken() != "tok-background" {
			t.Errorf("not forgotten: %v", d)
		}
		c.ok(c.request("account-devicetoken", token(alice)))
		<-s.host.devices
		c.ok(c.RemoveAccount(within(t), alice))
		c.nothing()
		if len(s.host.devices) != 0 {
			t.Errorf("forgotten: %v", <-s.host.devices)
		}
	})
}
