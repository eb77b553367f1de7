package directory

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/tandem-rtc/tandem/bus/membus"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func (n *node) putDeviceOf(d *callv1.PutDevice) error {
	n.t.Helper()
	_, err := n.question(&callv1.DirectoryRequest{Body: &callv1.DirectoryRequest_PutDevice{PutDevice: d}})
	return err
}

// aDevice is alice's, with a token.
func aDevice(token string) *callv1.PutDevice {
	return &callv1.PutDevice{Subscriber: "alice", Account: "alice@example.org", Token: token, Platform: "ios", App: "org.example.phone"}
}

// tokensOf gives the tokens of a subscriber's devices, by account.
func (n *node) tokensOf(id string) (out []string) {
	n.cache.mu.RLock()
	defer n.cache.mu.RUnlock()
	if r := n.cache.subs[id]; r != nil {
		for account, devices := range n.devicesOf(r, "", time.Now()) {
			for _, d := range devices {
				out = append(out, strings.TrimPrefix(account, "sip:")+" "+d.Token)
			}
		}
	}
	slices.Sort(out)
	return out
}

func (n *node) wantTokens(t *testing.T, id string, want ...string) {
	t.Helper()
	if got := n.tokensOf(id); !slices.Equal(got, want) {
		t.Errorf("%s has the devices %q, want %q", id, got, want)
	}
}

func TestPutDevice(t *testing.T) {
	n := start(t, membus.NewServer(), config())
	text := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		name   string
		change func(*callv1.PutDevice)
		code   callv1.Code
	}{
		{"good", func(*callv1.PutDevice) {}, 0},
		{"again", func(*callv1.PutDevice) {}, 0},
		{"largest", func(d *callv1.PutDevice) {
			d.Token, d.Platform, d.App, d.Device = text(4096), text(256), text(256), text(256)
		}, 0},
		{"second account", func(d *callv1.PutDevice) { d.Account = "al@EXAMPLE.org" }, 0},
		{"no token", func(d *callv1.PutDevice) { d.Token = "" }, callv1.Code_CODE_INVALID},
		{"long token", func(d *callv1.PutDevice) { d.Token = text(4097) }, callv1.Code_CODE_INVALID},
		{"token with a line end", func(d *callv1.PutDevice) { d.Token = "a\nb" }, callv1.Code_CODE_INVALID},
		{"long platform", func(d *callv1.PutDevice) { d.Platform = text(257) }, callv1.Code_CODE_INVALID},
		{"long device", func(d *callv1.PutDevice) { d.Device = text(257) }, callv1.Code_CODE_INVALID},
		{"long app", func(d *callv1.PutDevice) { d.App = text(257) }, callv1.Code_CODE_INVALID},
		{"no account", func(d *callv1.PutDevice) { d.Account = "alice" }, callv1.Code_CODE_INVALID},
		{"another's account", func(d *callv1.PutDevice) { d.Account = "bob@example.org" }, callv1.Code_CODE_NOT_FOUND},
		{"nobody's account", func(d *callv1.PutDevice) { d.Account = "zoe@example.org" }, callv1.Code_CODE_NOT_FOUND},
		{"nobody", func(d *callv1.PutDevice) { d.Subscriber = "" }, callv1.Code_CODE_NOT_FOUND},
	} {
		d := aDevice("t")
		tt.change(d)
		if err := n.putDeviceOf(d); err != nil || tt.code != 0 {
			t.Run(tt.name, func(t *testing.T) { wantCode(t, err, tt.code) })
		}
	}
	n.wantTokens(t, "alice", "al@example.org t", "alice@example.org t", "alice@example.org "+text(4096))
	for _, forget := range []*callv1.PutDevice{
		{Subscriber: "alice", Account: "alice@example.org", Token: "t", Forget: true},
		{Subscriber: "alice", Account: "alice@example.org", Token: "unknown", Forget: true},
		{Subscriber: "alice", Account: "al@example.org", Forget: true},
	} {
		if err := n.putDeviceOf(forget); err != nil {
			t.Error(err)
		}
	}
	n.wantTokens(t, "alice", "alice@example.org "+text(4096))
	if log := n.log.String(); strings.Contains(log, text(4096)) {
		t.Error("the log shows a device's token")
	}
}

func TestDevicesAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cfg := config()
		cfg.Wake.DevicesPerAccount, cfg.Wake.DeviceAge = 3, 30*24*time.Hour
		broker := membus.NewServer()
		n := start(t, broker, cfg)
		for i := range 4 {
			if err := n.putDeviceOf(aDevice(fmt.Sprint("t", i))); err != nil {
				t.Fatal(err)
			}
			time.Sleep(24 * time.Hour)
		}
		n.wantTokens(t, "alice", "alice@example.org t1", "alice@example.org t2", "alice@example.org t3")
		_ = n.putDeviceOf(aDevice("t1")) // heard of again: t2 is the oldest now
		_ = n.putDeviceOf(aDevice("t4"))
		n.wantTokens(t, "alice", "alice@example.org t1", "alice@example.org t3", "alice@example.org t4")
		// The same phone under a new token takes its own place.
		named := aDevice("t5")
		named.Device = "phone"
		_ = n.putDeviceOf(named)
		named.Token = "t6"
		_ = n.putDeviceOf(named)
		n.wantTokens(t, "alice", "alice@example.org t1", "alice@example.org t4", "alice@example.org t6")

		time.Sleep(29 * 24 * time.Hour)
		_ = n.putDeviceOf(aDevice("t4"))
		time.Sleep(2 * 24 * time.Hour)
		n.wantTokens(t, "alice", "alice@example.org t4")
		n.cache.mu.RLock()
		stored := len(n.cache.devices["sip:alice@example.org"].Devices)
		if later := n.devicesOf(n.cache.subs["alice"], "", time.Now().Add(cfg.Wake.DeviceAge)); len(later) != 0 {
			t.Errorf("to be woken though they have expired: %v", later)
		}
		n.cache.mu.RUnlock()
		if stored != 1 {
			t.Errorf("%d devices are stored, the expired ones too", stored)
		}
		n.stop()

		cfg.Wake.DropOldest, cfg.Wake.DevicesPerAccount = false, 1
		n = start(t, broker, cfg)
		defer n.stop()
		n.wantTokens(t, "alice", "alice@example.org t4")
		wantCode(t, n.putDeviceOf(aDevice("t7")), callv1.Code_CODE_OVERLOAD)
		if err := n.putDeviceOf(aDevice("t4")); err != nil {
			t.Errorf("the one it has: %v", err)
		}
	})
}

// Devices are their subscriber's: they go with it, and with the address.
func TestDevicesGoWithTheirSubscriber(t *testing.T) {
	n := start(t, membus.NewServer(), config())
	ctx := t.Context()
	put := func(id string, addresses ...string) {
		t.Helper()
		if err := n.Put(ctx, Subscriber{ID: id, Addresses: addresses}); err != nil {
			t.Fatal(err)
		}
	}
	phone := func(account string) *callv1.PutDevice {
		return &callv1.PutDevice{Subscriber: "erin", Account: account, Token: "t", Platform: "ios"}
	}
	put("erin", "sip:erin@example.org", "sip:e@example.org")
	for _, account := range []string{"erin@example.org", "e@example.org"} {
		if err := n.putDeviceOf(phone(account)); err != nil {
			t.Fatal(err)
		}
	}
	put("erin", "sip:erin@example.org")
	n.wantTokens(t, "erin", "erin@example.org t")
	put("frank", "sip:e@example.org")
	n.wantTokens(t, "frank")
	if err := n.Remove(ctx, "erin"); err != nil {
		t.Fatal(err)
	}
	for key := range n.cache.keys {
		if e, err := n.store.kv.Get(ctx, key); err == nil && strings.Contains(string(e.Value), `"t"`) {
			t.Errorf("%s is left: %s", key, e.Value)
		}
	}
	put("erin", "sip:erin@example.org")
	n.wantTokens(t, "erin")

	// What a writer that died has left is no one's, and swept away.
	if _, err := n.store.changeDevices(ctx, "sip:zoe@example.org", func(r *deviceRecord) (bool, error) {
		r.Subscriber, r.Devices = "zoe", []device{{Token: "t", Heard: time.Now()}}
		return true, nil
	}); err != nil {
		t.Fatal(err)
	}
	if err := n.catchUp(ctx); err != nil {
		t.Fatal(err)
	}
	put("zoe2", "sip:zoe@example.org")
	n.wantTokens(t, "zoe2")
	n.sweep(ctx, time.Now())
	if e, err := n.store.kv.Get(ctx, devKey("sip:zoe@example.org")); err != nil || strings.Contains(string(e.Value), `"t"`) {
		t.Errorf("after the sweep: %s, %v", e.Value, err)
	}
}

// Many devices at once: none is lost, and no more are kept than may be.
func TestConcurrentDevices(t *testing.T) {
	cfg := config()
	cfg.Wake.DevicesPerAccount = 8
	broker := membus.NewServer()
	a, b := start(t, broker, cfg), start(t, broker, cfg)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			if err := []*node{a, b}[i%2].putDeviceOf(aDevice(fmt.Sprint("t", i))); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := a.catchUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := a.tokensOf("alice"); len(got) != 8 {
		t.Errorf("devices %q", got)
	}
}
