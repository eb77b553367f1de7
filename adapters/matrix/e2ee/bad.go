package e2ee

import (
	"crypto/sha256"
	"sync"

	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

// bad are to-device messages that a device failed over, which would come again
// for ever. They are forgotten when there are too many.
type bad struct {
	mu     sync.Mutex
	hashes map[[32]byte]bool
}

// maxBad bounds what is remembered.
const maxBad = 1024

func hashOf(as id.UserID, evt *event.Event) [32]byte {
	return sha256.Sum256([]byte(string(as) + "\x00" + string(evt.Sender) + "\x00" + evt.Type.Type + "\x00" + string(evt.Content.VeryRaw)))
}

// begin notes that a message is being read, and reports whether one such failed.
func (b *bad) begin(hash [32]byte) (failed bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.hashes[hash] {
		return true
	}
	if b.hashes == nil || len(b.hashes) >= maxBad {
		b.hashes = map[[32]byte]bool{}
	}
	b.hashes[hash] = true
	return false
}

// end notes that a message was read, whatever became of it.
func (b *bad) end(hash [32]byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.hashes, hash)
}
