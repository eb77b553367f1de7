package directory

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// deviceRecord holds the devices of one account, as stored. It counts only while
// the account is the subscriber's, so that the next one to have the address does
// not get them.
type deviceRecord struct {
	// Account is a canonical sip: address.
	Account    string   `json:"account"`
	Subscriber string   `json:"subscriber,omitempty"`
	Devices    []device `json:"devices,omitempty"`
}

// device is one that can be woken. Its token is nobody's business but the web
// hook's.
type device struct {
	Token    string    `json:"token"`
	Platform string    `json:"platform,omitempty"`
	Device   string    `json:"device,omitempty"`
	App      string    `json:"app,omitempty"`
	Silent   bool      `json:"silent,omitempty"`
	Heard    time.Time `json:"heard"`
}

// heardAgain is how much later a device must be heard of again for that to be
// written down.
const heardAgain = 24 * time.Hour

// same reports whether two entries are of one device: by the push service's
// token, or by the name an application gives itself on it.
func (d device) same(o device) bool {
	return d.Token == o.Token || d.Device != "" && d.Device == o.Device && d.App == o.App && d.Platform == o.Platform
}

func (d device) equal(o device) bool {
	d.Heard = o.Heard
	return d == o
}

// put takes a device in; it reports false if nothing has to be written.
func (r *deviceRecord) put(d device, w Wake) (bool, error) {
	r.expire(d.Heard, w.DeviceAge)
	i := slices.IndexFunc(r.Devices, d.same)
	if i >= 0 && r.Devices[i].equal(d) && d.Heard.Sub(r.Devices[i].Heard) < min(heardAgain, w.DeviceAge/4) {
		return false, nil
	}
	r.Devices = slices.DeleteFunc(r.Devices, d.same)
	if len(r.Devices) >= w.DevicesPerAccount {
		if !w.DropOldest {
			return false, errDevices
		}
		slices.SortStableFunc(r.Devices, func(a, b device) int { return a.Heard.Compare(b.Heard) })
		r.Devices = slices.Delete(r.Devices, 0, len(r.Devices)-w.DevicesPerAccount+1)
	}
	r.Devices = append(r.Devices, d)
	return true, nil
}

// forget drops the device with a token, or all; it reports whether there was one.
func (r *deviceRecord) forget(token string) bool {
	n := len(r.Devices)
	r.Devices = slices.DeleteFunc(r.Devices, func(d device) bool { return token == "" || d.Token == token })
	return len(r.Devices) < n
}

// expire drops devices not heard of for long; it reports whether there was one.
func (r *deviceRecord) expire(now time.Time, age time.Duration) bool {
	n := len(r.Devices)
	r.Devices = slices.DeleteFunc(r.Devices, func(d device) bool { return now.Sub(d.Heard) > age })
	return len(r.Devices) < n
}

// writeTimeout bounds a write that somebody waits for.
const writeTimeout = 5 * time.Second

// putDevice remembers or forgets a device. It blocks for a few round trips.
func (s *Service) putDevice(ctx context.Context, q *callv1.PutDevice, now time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, writeTimeout)
	defer cancel()
	if err := checkDevice(q); err != nil {
		return err
	}
	account, err := canonical(schemeSIP + q.GetAccount())
	if err != nil {
		return schema.Invalid("put_device.account", "not an account")
	}
	s.cache.mu.RLock()
	r := s.cache.owner(account)
	s.cache.mu.RUnlock()
	if r == nil || r.ID != q.GetSubscriber() {
		return errNoAccount
	}
	d := device{
		Token: q.GetToken(), Platform: q.GetPlatform(), Device: q.GetDevice(), App: q.GetApp(), Silent: q.GetSilent(),
		Heard: now.UTC().Truncate(time.Second),
	}
	last, err := s.store.changeDevices(ctx, account, func(held *deviceRecord) (bool, error) {
		if held.Subscriber != r.ID { // of one who had the address before
			held.Subscriber, held.Devices = r.ID, nil
		}
		if q.GetForget() {
			return held.forget(d.Token), nil
		}
		return held.put(d, s.cfg.Wake)
	})
	if err == nil && last > 0 {
		err = s.cache.await(ctx, last)
	}
	var refusal *schema.Error
	if err != nil && !errors.As(err, &refusal) {
		return schema.Errorf(callv1.Code_CODE_RETRY, "remembering a device: %w", err)
	}
	return err
}

func checkDevice(q *callv1.PutDevice) error {
	if !q.GetForget() && q.GetToken() == "" || len(q.GetToken()) > maxCredential || !plain(q.GetToken()) {
		return schema.Invalid("put_device.token", "must be 1 to %d bytes of text", maxCredential)
	}
	for _, f := range []struct{ field, v string }{
		{"platform", q.GetPlatform()}, {"device", q.GetDevice()}, {"app", q.GetApp()},
	} {
		if len(f.v) > maxName || !plain(f.v) {
			return schema.Invalid("put_device."+f.field, "longer than %d bytes, or not text", maxName)
		}
	}
	return nil
}

func plain(s string) bool { return utf8.ValidString(s) && !strings.ContainsFunc(s, isControl) }

// devicesOf gives the devices of a subscriber that can be woken, by account; of
// one account only, if it is named. The caller holds the cache's mu.
func (s *Service) devicesOf(r *subscriberRecord, account string, now time.Time) map[string][]device {
	out := map[string][]device{}
	for _, a := range slices.Concat(r.Addresses, r.Aliases) {
		held := s.cache.devices[a]
		if held == nil || held.Subscriber != r.ID || account != "" && a != account || s.cache.claims[a] != r.ID {
			continue
		}
		for _, d := range held.Devices {
			if now.Sub(d.Heard) <= s.cfg.Wake.DeviceAge {
				out[a] = append(out[a], d)
			}
		}
	}
	return out
}

// changeDevices rewrites an account's record; f reports whether there is
// something to write. It gives the revision written, 0 if none was.
func (s *store) changeDevices(ctx context.Context, account string, f func(*deviceRecord) (bool, error)) (uint64, error) {
	for range writeTries {
		r := &deviceRecord{}
		e, err := s.kv.Get(ctx, devKey(account))
		switch {
		case err == nil:
			_ = json.Unmarshal(e.Value, r) // unreadable: written anew
		case !errors.Is(err, bus.ErrNotFound):
			return 0, err
		}
		r.Account = account
		if write, err := f(r); err != nil || !write {
			return 0, err
		}
		last, err := s.kv.Update(ctx, devKey(account), encode(r), e.Revision)
		if !errors.Is(err, bus.ErrConflict) {
			return last, err
		}
	}
	return 0, schema.Errorf(callv1.Code_CODE_RETRY, "the devices of an account are being changed by others")
}

// dropDevices forgets the devices that a subscriber has at an account.
func (s *store) dropDevices(ctx context.Context, account, id string) error {
	if _, err := s.changeDevices(ctx, account, func(r *deviceRecord) (bool, error) {
		return r.Subscriber == id && r.forget(""), nil
	}); err != nil {
		return fmt.Errorf("directory: forgetting devices: %w", err)
	}
	return nil
}
