package directory

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/directory/internal/webhook"
)

// What is sent once is remembered in a bucket of its own, so that a second
// directory node, or the same one asked again, does not send it twice.
const (
	wakeBucket = "wakes"
	wakeMemory = 10 * time.Minute
	// wakeBudget is how long a wake is tried: a call that nobody has answered by
	// then is over.
	wakeBudget = 30 * time.Second
)

// waker hands wakes to the web hook.
type waker struct {
	s     *Service
	hook  *webhook.Hook
	sent  bus.KV
	queue chan *wakeJob
}

// wakeJob is one request to the hook.
type wakeJob struct {
	what, id, account string
	from              *callv1.Party
	devices           []device
}

// wakeBody is what the hook is sent; docs/operating.md describes it.
type wakeBody struct {
	What    string       `json:"what"`
	ID      string       `json:"id"`
	Account string       `json:"account"`
	From    wakeFrom     `json:"from"`
	Devices []wakeDevice `json:"devices"`
}

type wakeFrom struct {
	DisplayName string   `json:"display_name"`
	Addresses   []string `json:"addresses"`
}

type wakeDevice struct {
	Token    string `json:"token"`
	Platform string `json:"platform"`
	Device   string `json:"device"`
	App      string `json:"app"`
	Silent   bool   `json:"silent"`
}

// wakeAnswer is what the hook may answer: what its push service said of each
// device, as an HTTP status.
type wakeAnswer struct {
	Devices []struct {
		Token  string `json:"token"`
		Status int    `json:"status"`
	} `json:"devices"`
}

// wakes reports whether a subscriber has devices that can be woken.
func (s *Service) wakes(id string) bool {
	if s.cfg.Wake.URL == "" {
		return false
	}
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	r := s.cache.subs[id]
	return r != nil && len(s.devicesOf(r, "", time.Now())) > 0
}

// wake queues what wakes a subscriber's devices. It never blocks; reply says
// whether there was anybody to wake.
func (s *Service) wake(q *callv1.Wake, reply *callv1.DirectoryReply) error {
	switch {
	case q.GetWhat() != "call" && q.GetWhat() != "message":
		return schema.Invalid("wake.what", "neither call nor message")
	case q.GetId() == "" || len(q.GetId()) > maxName || !plain(q.GetId()):
		return schema.Invalid("wake.id", "must be 1 to %d bytes of text", maxName)
	}
	account := ""
	if q.GetAccount() != "" {
		a, err := canonical(schemeSIP + q.GetAccount())
		if err != nil {
			return schema.Invalid("wake.account", "not an account")
		}
		account = a
	}
	s.cache.mu.RLock()
	defer s.cache.mu.RUnlock()
	r := s.cache.subs[q.GetSubscriber()]
	if r == nil || account != "" && s.cache.owner(account) != r {
		return errNoAccount
	}
	if s.waker == nil {
		return nil
	}
	full := false
	for a, devices := range s.devicesOf(r, account, time.Now()) {
		job := &wakeJob{what: q.GetWhat(), id: q.GetId(), account: a, from: q.GetFrom(), devices: devices}
		select {
		case s.waker.queue <- job:
			reply.Wakes = true
		default:
			full = true
			s.metrics.Wake("dropped", len(devices))
		}
	}
	if full && !reply.GetWakes() {
		return errWakeQueue
	}
	return nil
}

// run sends queued wakes, one at a time, until ctx ends.
func (w *waker) run(ctx context.Context) {
	for {
		select {
		case job := <-w.queue:
			w.send(ctx, job)
		case <-ctx.Done():
			return
		}
	}
}

// send makes one request, with the devices that were not sent this before.
func (w *waker) send(ctx context.Context, job *wakeJob) {
	ctx, cancel := context.WithTimeout(ctx, wakeBudget)
	defer cancel()
	job.devices = slices.DeleteFunc(slices.Clone(job.devices), func(d device) bool { return !w.claim(ctx, d.Token, job.id) })
	if len(job.devices) == 0 {
		return
	}
	body := wakeBody{
		What: job.what, ID: job.id, Account: strings.TrimPrefix(job.account, schemeSIP),
		From: wakeFrom{DisplayName: job.from.GetDisplayName(), Addresses: job.from.GetAddresses()},
	}
	if body.From.Addresses == nil {
		body.From.Addresses = []string{}
	}
	for _, d := range job.devices {
		body.Devices = append(body.Devices, wakeDevice{d.Token, d.Platform, d.Device, d.App, d.Silent})
	}
	attrs := []slog.Attr{
		slog.String("what", job.what), slog.String("id", job.id), slog.String("account", body.Account), slog.Int("devices", len(job.devices)),
	}
	answer, err := w.hook.Post(ctx, encode(body))
	if err != nil {
		w.s.metrics.Wake("failed", len(job.devices))
		w.s.log.LogAttrs(ctx, slog.LevelWarn, "devices not woken", append(attrs, slog.Any("error", err))...)
		return
	}
	w.s.metrics.Wake("sent", len(job.devices))
	w.s.log.LogAttrs(ctx, slog.LevelDebug, "devices woken", attrs...)
	w.forgetGone(ctx, job, answer)
}

// claim reports whether a device is still to be sent an id, and notes that it
// was. Without the bus it is sent, perhaps twice.
func (w *waker) claim(ctx context.Context, token, id string) bool {
	h := sha256.New()
	h.Write([]byte(id + "\x00" + token))
	_, err := w.sent.Update(ctx, hex.EncodeToString(h.Sum(nil)), nil, 0)
	if errors.Is(err, bus.ErrConflict) {
		w.s.metrics.Wake("repeated", 1)
		return false
	}
	return true
}

// forgetGone drops the devices of a request that the hook says are no more.
func (w *waker) forgetGone(ctx context.Context, job *wakeJob, answer []byte) {
	var a wakeAnswer
	if json.Unmarshal(answer, &a) != nil { // anything else is nothing to us
		return
	}
	var gone []string
	for _, d := range a.Devices {
		if d.Status == http.StatusGone && slices.ContainsFunc(job.devices, func(o device) bool { return o.Token == d.Token }) {
			gone = append(gone, d.Token)
		}
	}
	if len(gone) == 0 {
		return
	}
	_, err := w.s.store.changeDevices(ctx, job.account, func(r *deviceRecord) (changed bool, _ error) {
		for _, token := range gone {
			changed = r.forget(token) || changed
		}
		return changed, nil
	})
	if err != nil {
		w.s.log.LogAttrs(ctx, slog.LevelWarn, "a device that is gone is kept for now", slog.Any("error", err))
		return
	}
	w.s.metrics.Wake("gone", len(gone))
	w.s.log.LogAttrs(ctx, slog.LevelInfo, "devices gone", slog.String("account", strings.TrimPrefix(job.account, schemeSIP)), slog.Int("devices", len(gone)))
}
