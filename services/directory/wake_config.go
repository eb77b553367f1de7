package directory

import (
	"errors"
	"fmt"
	"time"
)

// Wake is how devices are woken that are not signed in.
type Wake struct {
	URL       string `yaml:"url" doc:"Your web hook, which hands what it is sent to the push services: an https:// address. Empty: nobody is woken."`
	Secret    string `yaml:"secret" secret:"true" doc:"Key of the signature (HMAC-SHA256) by which the hook knows us, at least 16 characters."`
	AllowHTTP bool   `yaml:"allow_http" doc:"Use plain HTTP to another machine. Device tokens can be read on the way."`

	Timeout time.Duration `yaml:"timeout" doc:"How long one request to the hook may take."`
	Tries   int           `yaml:"tries" doc:"How often a request is made at most when the hook fails or is away; the pauses between grow from half a second."`
	Workers int           `yaml:"workers" doc:"Requests at the same time."`
	Queue   int           `yaml:"queue" doc:"Requests that may wait; further ones are dropped."`

	DevicesPerAccount int           `yaml:"devices_per_account" doc:"Devices remembered of one account."`
	DropOldest        bool          `yaml:"drop_oldest" doc:"A device beyond those takes the place of the one not heard of for longest; otherwise it is refused."`
	DeviceAge         time.Duration `yaml:"device_age" doc:"How long a device is remembered that is not heard of again."`
}

func defaultWake() Wake {
	return Wake{
		Timeout: 5 * time.Second, Tries: 4, Workers: 8, Queue: 1024,
		DevicesPerAccount: 16, DropOldest: true, DeviceAge: 90 * 24 * time.Hour,
	}
}

// maxDevices keeps an account's record within a message.
const maxDevices = 64

func (w Wake) validate() error {
	var errs []error
	bad := func(field, format string, args ...any) { errs = append(errs, fmt.Errorf(field+": "+format, args...)) }
	if w.URL != "" {
		if err := checkURL(w.URL, w.AllowHTTP); err != nil {
			bad("url", "%w", err)
		}
		if len(w.Secret) < 16 {
			bad("secret", "must have at least 16 characters")
		}
	}
	if w.Timeout < 100*time.Millisecond || w.Timeout > time.Minute {
		bad("timeout", "must be 100ms to 1m")
	}
	if w.DeviceAge < time.Hour {
		bad("device_age", "must be at least 1h")
	}
	for _, p := range []struct {
		field    string
		v, limit int
	}{
		{"tries", w.Tries, 10}, {"workers", w.Workers, 256}, {"queue", w.Queue, 100_000},
		{"devices_per_account", w.DevicesPerAccount, maxDevices},
	} {
		if p.v < 1 || p.v > p.limit {
			bad(p.field, "must be 1 to %d, is %d", p.limit, p.v)
		}
	}
	return errors.Join(errs...)
}
