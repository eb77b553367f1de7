//go:build goolm

package e2ee

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Built reports whether this build can encrypt.
const Built = true

// Keeper holds the devices of an application service's users. All methods may be
// called from any goroutine.
type Keeper struct {
	cfg Config

	mu     sync.Mutex
	ctx    context.Context // of Run; nil before it
	ended  bool            // no device is started any more
	onKeys func(as id.UserID, room id.RoomID, session id.SessionID)
	users  map[id.UserID]*runner
	// ending are devices that were stopped and may not have ended.
	ending map[id.UserID]<-chan struct{}
	wg     sync.WaitGroup
}

// New makes a Keeper without any I/O. It gives CODE_INVALID for what the Config
// lacks, and ErrNotBuilt in a build without encryption.
func New(cfg Config) (*Keeper, error) {
	if err := cfg.complete(); err != nil {
		return nil, err
	}
	return &Keeper{
		cfg: cfg, users: map[id.UserID]*runner{}, ending: map[id.UserID]<-chan struct{}{},
		onKeys: func(id.UserID, id.RoomID, id.SessionID) {},
	}, nil
}

// OnKeys has f called with every session whose keys have come, for Decrypt to be
// tried again; twice, a second apart, for a session that Decrypt has missed. It is
// called after they are stored and must return soon, because the device reads no
// more until then. Set it before Run.
func (k *Keeper) OnKeys(f func(as id.UserID, room id.RoomID, session id.SessionID)) { k.onKeys = f }

func (k *Keeper) arrived(as id.UserID, room id.RoomID, session id.SessionID) {
	k.onKeys(as, room, session)
}

// Run keeps the devices going until ctx ends, and returns nil when everything
// that they did has ended. It is called once; before it, and after ctx has ended,
// the other methods give CODE_RETRY.
func (k *Keeper) Run(ctx context.Context) error {
	k.mu.Lock()
	k.ctx = ctx
	k.mu.Unlock()
	<-ctx.Done()
	k.mu.Lock()
	k.ended = true
	k.mu.Unlock()
	k.wg.Wait()
	if idle, ok := k.cfg.polls.(interface{ CloseIdleConnections() }); ok {
		idle.CloseIdleConnections()
	}
	return nil
}

// Ensure makes the user's device ready, and keeps it so: it is logged in, others
// can encrypt for it, and it receives keys. Call it for each user that is in an
// encrypted room. It blocks until the device is ready or cannot be now:
// CODE_RETRY, CODE_CONFLICT (another node writes), CODE_OVERLOAD (too many devices
// are in use), CODE_FORBIDDEN (the homeserver does not let the user in).
func (k *Keeper) Ensure(ctx context.Context, as id.UserID) error {
	_, release, err := k.device(ctx, as)
	if err != nil {
		return err
	}
	release()
	return nil
}

// Encrypt gives the content of an m.room.encrypted event that holds an event of
// the type and content, for the members of the room. as is the sender and must
// have joined the room. If the members' devices have no keys yet, or there are
// other devices now, they are given keys first. Nothing is sent to the room: what
// Encrypt gives may be thrown away, and the same event encrypted again. It blocks
// for the homeserver's answers. Errors: as of Ensure; CODE_INVALID if the room is
// not encrypted, CODE_UNSUPPORTED if it is in a way not known here.
func (k *Keeper) Encrypt(ctx context.Context, as id.UserID, room id.RoomID, members []id.UserID, kind string, content json.RawMessage) (json.RawMessage, error) {
	d, release, err := k.device(ctx, as)
	if err != nil {
		return nil, err
	}
	defer release()
	out, err := d.encrypt(ctx, room, members, kind, content)
	if err != nil {
		return nil, refusal(d.cause(err))
	}
	return out, nil
}

// Decrypt gives the event that is in an m.room.encrypted event, with its type,
// its content as it came (Content.VeryRaw, Content.Raw), and the rest of the outer
// event. It asks nobody, but starts the user's device if it does not run. The
// same event may be decrypted again; another one made of the same ciphertext may
// not. Errors: as of Ensure; CODE_RETRY with ErrNoKeys or ErrWithheld, after which
// OnKeys may tell that the keys came, also before Decrypt has returned;
// CODE_FORBIDDEN if the session is another user's;
// CODE_INVALID if it will never be read.
func (k *Keeper) Decrypt(ctx context.Context, as id.UserID, evt *event.Event) (*event.Event, error) {
	d, release, err := k.device(ctx, as)
	if err != nil {
		return nil, err
	}
	defer release()
	out, err := d.decrypt(ctx, evt)
	if err != nil {
		return nil, refusal(d.cause(err))
	}
	return out, nil
}

// cause prefers what made the device fail to what became of it.
func (d *device) cause(err error) error {
	if failed := d.vault.failed(); failed != nil {
		return failed
	}
	return err
}

// device gives a user's device, started if need be, for use until it is released.
func (k *Keeper) device(ctx context.Context, as id.UserID) (*device, func(), error) {
	r, err := k.use(as)
	if err != nil {
		return nil, nil, err
	}
	release := func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		r.uses--
		r.used = time.Now()
	}
	d, err := r.wait(ctx)
	if err != nil {
		release()
		return nil, nil, err
	}
	return d, release, nil
}

func (k *Keeper) use(as id.UserID) (*runner, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.ctx == nil || k.ended {
		return nil, schema.Errorf(callv1.Code_CODE_RETRY, "encryption is not running")
	}
	r := k.users[as]
	if r == nil {
		after, err := k.room(as)
		if err != nil {
			return nil, err
		}
		r = newRunner(k, as, after)
		k.users[as] = r
		ctx, cancel := context.WithCancel(k.ctx)
		r.cancel = cancel
		k.wg.Go(func() {
			defer cancel()
			r.run(ctx)
		})
	}
	r.uses++
	r.used = time.Now()
	return r, nil
}

// room makes room for one more device, if need be by stopping the one that is
// unused and was used longest ago. It gives what the new one must wait for.
func (k *Keeper) room(as id.UserID) (after []<-chan struct{}, err error) {
	for user, done := range k.ending {
		select {
		case <-done:
			delete(k.ending, user)
		default:
		}
	}
	if done := k.ending[as]; done != nil {
		after = append(after, done)
	}
	if len(k.users) < k.cfg.MaxDevices {
		return after, nil
	}
	var idle *runner
	for _, r := range k.users {
		if r.uses == 0 && (idle == nil || r.used.Before(idle.used)) {
			idle = r
		}
	}
	if idle == nil {
		return nil, schema.Errorf(callv1.Code_CODE_OVERLOAD, "all %d devices for encrypted rooms are in use", k.cfg.MaxDevices)
	}
	idle.cancel()
	delete(k.users, idle.user)
	k.ending[idle.user] = idle.done
	return append(after, idle.done), nil
}
