package sylkrtc

import "sync"

// dialogs remembers the latest messages within calls that were sent here, for
// what becomes of them.
type dialogs struct {
	mu    sync.Mutex
	byKey map[dialogKey]*dialog
	order []dialogKey // the oldest first
}

// dialogKey names a message of an account.
type dialogKey struct{ owner, id string }

// dialog is such a message.
type dialog struct {
	a         *account
	session   string
	far       []string
	timestamp string
	state     string // guarded by dialogs.mu
}

// maxDialogs bounds how many are remembered.
const maxDialogs = 4096

func (d *dialogs) init() { d.byKey = map[dialogKey]*dialog{} }

func (d *dialogs) put(k dialogKey, v *dialog) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.byKey[k] == nil {
		d.order = append(d.order, k)
	}
	d.byKey[k] = v
	if len(d.order) > maxDialogs {
		delete(d.byKey, d.order[0])
		d.order = append([]dialogKey(nil), d.order[1:]...)
	}
}

func (d *dialogs) get(k dialogKey) *dialog {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.byKey[k]
}

// change says whether a message gets into a state.
func (d *dialogs) change(v *dialog, state string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !after(v.state, state) {
		return false
	}
	v.state = state
	return true
}

// pending says whether nothing is known of a message yet.
func (d *dialogs) pending(v *dialog) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return v.state == statePending
}
