package secrets

import (
	"bytes"
	"fmt"
	"net"
	"sync"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	"google.golang.org/grpc/mem"
)

// sink takes whatever it is sent by gRPC and keeps it as it came.
type sink struct {
	mu  sync.Mutex
	got bytes.Buffer
}

func (s *sink) bytes() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.got.Bytes())
}

// raw is a codec that leaves messages as they are.
type raw struct{}

func (raw) Marshal(v any) (mem.BufferSlice, error) {
	if b, ok := v.(*[]byte); ok {
		return mem.BufferSlice{mem.SliceBuffer(*b)}, nil
	}
	return nil, fmt.Errorf("a %T", v)
}

func (raw) Unmarshal(data mem.BufferSlice, v any) error {
	b, ok := v.(*[]byte)
	if !ok {
		return fmt.Errorf("a %T", v)
	}
	*b = data.Materialize()
	return nil
}

func (raw) Name() string { return "raw" }

var _ encoding.CodecV2 = raw{}

// collect starts a collector of traces.
func collect(t *testing.T) (s *sink, url string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s = &sink{}
	server := grpc.NewServer(grpc.ForceServerCodecV2(raw{}), grpc.UnknownServiceHandler(func(_ any, stream grpc.ServerStream) error {
		var message []byte
		if err := stream.RecvMsg(&message); err != nil {
			return err
		}
		s.mu.Lock()
		s.got.Write(message)
		s.mu.Unlock()
		nothing := []byte{}
		return stream.SendMsg(&nothing)
	}))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = server.Serve(l)
	}()
	t.Cleanup(func() { server.Stop(); <-ended })
	return s, "http://" + l.Addr().String()
}
