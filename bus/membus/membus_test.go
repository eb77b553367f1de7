package membus

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
)

func TestSmoke(t *testing.T) {
	s := NewServer()
	a, b := s.Connect(), s.Connect()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := b.Serve("x.*.>", "", func(m bus.Msg) { m.Respond(append(m.Data, '!')) }); err != nil {
		t.Fatal(err)
	}
	got, err := a.Request(ctx, "x.y.z.q", []byte("hi"))
	if err != nil || string(got) != "hi!" {
		t.Fatal(string(got), err)
	}
	seqs, err := a.Records().Commit(ctx, bus.Write{Subject: "call.v1.rec.1.a", Data: []byte("1")})
	if err != nil || seqs[0] != 1 {
		t.Fatal(seqs, err)
	}
	kv, err := a.KV(ctx, bus.KVConfig{Bucket: "b"})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := kv.Put(ctx, "k", []byte("v")); err != nil {
		t.Fatal(err)
	}
	var seen []string
	if err := kv.Watch(ctx, ">", func(e bus.Entry) bool { seen = append(seen, e.Key); return e.Key != "" }); err != nil {
		t.Fatal(err)
	}
	if len(seen) != 2 {
		t.Fatal(seen)
	}
	_ = b.Close()
	if _, err := a.Request(ctx, "x.y.z.q", nil); err != bus.ErrNoResponders {
		t.Fatal(err)
	}
	_ = a.Close()
}

func BenchmarkRequest(b *testing.B) {
	s := NewServer()
	c := s.Connect()
	_, _ = c.Serve("a.b.*", "", func(m bus.Msg) { m.Respond(m.Data) })
	b.ReportAllocs()
	for b.Loop() {
		_, _ = c.Request(context.Background(), "a.b.c", nil)
	}
	_ = c.Close()
}
