package storetest

import (
	"bytes"
	"context"
	"strings"
	"sync"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Data is what nodes share. The zero value is empty.
type Data struct {
	mu       sync.Mutex
	revision uint64
	items    map[string]item
	writes   int
}

type item struct {
	value    []byte
	revision uint64
}

// Writes counts what was written.
func (d *Data) Writes() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.writes
}

// Keys gives the keys under a prefix, and the bytes of their values.
func (d *Data) Keys(prefix string) (keys []string, size int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, i := range d.items {
		if strings.HasPrefix(k, prefix) {
			keys = append(keys, k)
			size += len(i.value)
		}
	}
	return keys, size
}

// Contains reports whether a value or a key contains the text.
func (d *Data) Contains(text string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	for k, i := range d.items {
		if strings.Contains(k, text) || bytes.Contains(i.value, []byte(text)) {
			return true
		}
	}
	return false
}

// Node is a node's way to the Data, as a kit.Store.
type Node struct {
	data *Data
	mu   sync.Mutex
	left int
	died chan struct{}
	late bool
}

// Open gives a node its way to the data. After as many writes as given (none
// ends it if the number is negative) it is dead: nothing works any more. If late
// is set, the last write is made but its outcome not told.
func (d *Data) Open(writes int, late bool) *Node {
	return &Node{data: d, left: writes, late: late, died: make(chan struct{})}
}

// Died is closed when the node has died.
func (n *Node) Died() <-chan struct{} { return n.died }

var _ kit.Store = (*Node)(nil)

var errDead = schema.Errorf(callv1.Code_CODE_RETRY, "the node is dead")

// alive counts a write. told is false for the last one of a node that dies late.
func (n *Node) alive(write bool) (ok, told bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.left == 0 {
		n.die()
		return false, false
	}
	if !write || n.left < 0 {
		return true, true
	}
	if n.left--; n.left == 0 && n.late {
		n.die()
		return true, false
	}
	return true, true
}

func (n *Node) die() {
	select {
	case <-n.died:
	default:
		close(n.died)
	}
}

// Get implements kit.Store.
func (n *Node) Get(_ context.Context, key string) ([]byte, uint64, error) {
	if ok, _ := n.alive(false); !ok {
		return nil, 0, errDead
	}
	n.data.mu.Lock()
	defer n.data.mu.Unlock()
	i, ok := n.data.items[key]
	if !ok {
		return nil, 0, schema.Errorf(callv1.Code_CODE_NOT_FOUND, "no such key")
	}
	return bytes.Clone(i.value), i.revision, nil
}

// Put implements kit.Store.
func (n *Node) Put(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if key == "" || len(key) > 256 || strings.Contains(key, "//") || len(value) > 1<<20 {
		return 0, schema.Invalid("key", "what a store refuses: %q, %d bytes", key, len(value))
	}
	ok, told := n.alive(true)
	if !ok {
		return 0, errDead
	}
	n.data.mu.Lock()
	defer n.data.mu.Unlock()
	if n.data.items[key].revision != revision {
		return 0, schema.Errorf(callv1.Code_CODE_CONFLICT, "another revision")
	}
	n.data.revision++
	n.data.writes++
	if n.data.items == nil {
		n.data.items = map[string]item{}
	}
	n.data.items[key] = item{bytes.Clone(value), n.data.revision}
	if !told {
		return 0, errDead
	}
	return n.data.revision, nil
}

// Delete implements kit.Store.
func (n *Node) Delete(_ context.Context, key string) error {
	if ok, _ := n.alive(false); !ok {
		return errDead
	}
	n.data.mu.Lock()
	defer n.data.mu.Unlock()
	delete(n.data.items, key)
	return nil
}

// Watch implements kit.Store; nobody here needs it.
func (n *Node) Watch(context.Context, string, func(kit.Item) bool) error {
	return schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "nobody watches here")
}
