//go:build goolm

package e2ee

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"sync"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/crypto"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// device is a user's device from when it is read from the store until something
// fails, or it is stopped.
type device struct {
	cfg    *Config
	user   id.UserID
	log    *slog.Logger
	ctx    context.Context // ends with the device; its cause says why
	cancel context.CancelCauseFunc

	vault  *vault
	store  *store
	client *mautrix.Client
	polls  *http.Client // for /sync
	mach   *crypto.OlmMachine
	states *states
	onKeys func(as id.UserID, room id.RoomID, session id.SessionID)

	// ops is held for reading by whatever uses what the store has in memory.
	ops sync.RWMutex
	// olm is held by whatever uses Olm sessions or asks for devices, so that a
	// to-device message and what it changes are stored before an answer is
	// encrypted with it.
	olm sync.Mutex

	mu sync.Mutex
	// fresh are users whose devices have been asked for since the start.
	fresh map[id.UserID]bool
	// missing are rooms whose session did not reach all devices.
	missing map[id.RoomID]gap
	// wanted are sessions whose keys are missing.
	wanted map[id.SessionID]*wanted
	// recent are keys that were missing and have come, in that order.
	recent []got
	// chore is signalled when there is something to do besides syncing.
	chore chan struct{}
}

// open reads a user's device from the store, makes it if there is none, and sees
// to it that the homeserver has its keys. It takes the device over from whoever
// served it. The caller closes it.
func open(ctx context.Context, cfg *Config, user id.UserID, onKeys func(id.UserID, id.RoomID, id.SessionID)) (*device, error) {
	d := &device{
		cfg: cfg, user: user, onKeys: onKeys, log: cfg.Log.With("user", string(user)), states: newStates(),
		fresh: map[id.UserID]bool{}, missing: map[id.RoomID]gap{}, wanted: map[id.SessionID]*wanted{}, chore: make(chan struct{}, 1),
	}
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	if err := d.open(); err != nil {
		d.close()
		if cause := context.Cause(d.ctx); cause != nil && ctx.Err() == nil && !errors.Is(cause, context.Canceled) {
			return nil, refusal(cause)
		}
		return nil, refusal(err)
	}
	return d, nil
}

// close ends what the device is doing.
func (d *device) close() {
	if d.mach != nil {
		d.mach.Destroy()
	}
	d.cancel(context.Canceled)
}

func (d *device) open() (err error) {
	d.vault, err = newVault(d.cfg.Store, d.cfg.Secret, string(d.user), func(err error) { d.cancel(err) })
	if err != nil {
		return err
	}
	key, err := derive(d.cfg.Secret, "pickle", string(d.user), 32)
	if err != nil {
		return err
	}
	d.store = newStore(d.vault, d.user, key)
	d.store.onWedged = d.wake
	d.states.store = d.store
	account, err := d.store.device(d.ctx)
	if err != nil {
		return err
	}
	d.client, err = mautrix.NewClient(d.cfg.Homeserver, d.user, account.Token)
	if err != nil {
		return err
	}
	d.client.DeviceID = account.Device
	d.client.Log = zerologTo(d.log)
	d.client.Client = &http.Client{Transport: gate{d.vault, d.cfg.HTTP}}
	d.polls = &http.Client{Transport: gate{d.vault, d.cfg.polls}}
	if account.Token == "" {
		if err := d.login(); err != nil {
			return err
		}
	}
	d.setUpMachine()
	if err := d.mach.Load(d.ctx); err != nil {
		return err
	}
	d.mach.GetAccount().Keys() // once, before there is more than one goroutine
	if err := d.publish(); err != nil {
		return err
	}
	return d.sign()
}

// setUpMachine makes mautrix's machine: it trusts devices as they come, never
// asks the homeserver while it decrypts, and starts no goroutine that does more
// than return (see GetNewestSessionCreationTS).
func (d *device) setUpMachine() {
	d.mach = crypto.NewOlmMachine(d.client, &d.client.Log, d.store, d.states)
	d.mach.SetBackgroundCtx(d.ctx)
	d.mach.SendKeysMinTrust = id.TrustStateUnset
	d.mach.ShareKeysMinTrust = id.TrustStateUnset
	d.mach.DisableDecryptKeyFetching = true
	d.mach.DisableRatchetTracking = true
	d.mach.IgnorePostDecryptionParseErrors = true
	d.mach.SessionReceived = func(ctx context.Context, room id.RoomID, session id.SessionID, _ uint32) {
		if got, ok := ctx.Value(gotKey{}).(*[]got); ok {
			*got = append(*got, newGot(room, session))
		}
	}
}

// wake has the chores looked at.
func (d *device) wake() {
	select {
	case d.chore <- struct{}{}:
	default:
	}
}

// request bounds one request, or a few that belong together. mautrix would try
// each again for longer than whoever waits for it.
func (d *device) request(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(mautrix.WithMaxRetries(ctx, 0), d.cfg.RequestTimeout)
}

// states tells mautrix what it asks about rooms.
type states struct {
	store *store
	mu    sync.Mutex
	rooms map[id.RoomID]*event.EncryptionEventContent
}

func newStates() *states { return &states{rooms: map[id.RoomID]*event.EncryptionEventContent{}} }

var _ crypto.StateStore = (*states)(nil)

// maxStates bounds the rooms whose settings are remembered.
const maxStates = 1024

func (s *states) set(room id.RoomID, c *event.EncryptionEventContent) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.rooms) >= maxStates {
		clear(s.rooms)
	}
	s.rooms[room] = c
}

// IsEncrypted implements crypto.StateStore.
func (s *states) IsEncrypted(context.Context, id.RoomID) (bool, error) { return true, nil }

// GetEncryptionEvent implements crypto.StateStore: nil, which stands for the
// default, until the room's settings have been read to encrypt.
func (s *states) GetEncryptionEvent(_ context.Context, room id.RoomID) (*event.EncryptionEventContent, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rooms[room], nil
}

// GetHistoryVisibility implements crypto.StateStore.
func (s *states) GetHistoryVisibility(context.Context, id.RoomID) (*event.HistoryVisibilityEventContent, error) {
	return nil, nil
}

// FindSharedRooms implements crypto.StateStore.
func (s *states) FindSharedRooms(ctx context.Context, user id.UserID) ([]id.RoomID, error) {
	return s.store.sharedRooms(ctx, user)
}
