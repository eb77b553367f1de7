package collector

import (
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/mem"
)

// Collector keeps what it was sent.
type Collector struct {
	mu   sync.Mutex
	data []byte
}

// raw leaves messages as they are.
type raw struct{}

func (raw) Name() string { return "proto" }

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	return mem.BufferSlice{mem.SliceBuffer(*v.(*[]byte))}, nil //nolint:forcetypeassert // ours
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	*v.(*[]byte) = data.Materialize() //nolint:forcetypeassert // ours
	return nil
}

// Start takes traces at a listener until the test ends.
func Start(t testing.TB, l net.Listener) *Collector {
	t.Helper()
	c := &Collector{}
	srv := grpc.NewServer(grpc.ForceServerCodecV2(raw{}), grpc.UnknownServiceHandler(func(_ any, s grpc.ServerStream) error {
		var m []byte
		if err := s.RecvMsg(&m); err != nil {
			return err
		}
		c.mu.Lock()
		c.data = append(c.data, m...)
		c.mu.Unlock()
		return s.SendMsg(&[]byte{}) // an empty answer: all taken
	}))
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = srv.Serve(l)
	}()
	t.Cleanup(func() {
		srv.Stop()
		<-done
	})
	return c
}

// String is all of it, in the order of its coming.
func (c *Collector) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return string(c.data)
}
