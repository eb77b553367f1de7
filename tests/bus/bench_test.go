package bus_test

import (
	"strconv"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/bus"
	"github.com/tandem-rtc/tandem/bus/natsbus"
)

// payload is about what a call's record or a session description takes.
const payload = 2000

// benchmark runs f, which does one operation of worker w, one at a time and with
// 64 under way, on both brokers.
func benchmark(b *testing.B, prepare func(*testing.B, func() *natsbus.Conn) func(worker int) error, change ...func(*natsbus.Config)) {
	b.Helper()
	for _, name := range []string{"Embedded", "External"} {
		for _, workers := range []int{1, 64} {
			b.Run(name+"/"+strconv.Itoa(workers), func(b *testing.B) {
				f := prepare(b, connector(b, brokers()[name](b), change...))
				b.ReportAllocs()
				before := cpu(b)
				defer func() { b.ReportMetric(float64((cpu(b)-before).Microseconds())/float64(b.N), "cpu-us/op") }()
				if workers == 1 {
					for b.Loop() {
						if err := f(0); err != nil {
							b.Fatal(err)
						}
					}
					return
				}
				var next atomic.Int32
				b.SetParallelism(workers / 2) // times GOMAXPROCS
				b.ResetTimer()
				b.RunParallel(func(pb *testing.PB) {
					w := int(next.Add(1))
					for pb.Next() {
						if err := f(w); err != nil {
							b.Error(err)
							return
						}
					}
				})
			})
		}
	}
}

// cpu is the processor time this process has used: with an external server the
// clients' share, embedded the whole.
func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func BenchmarkRequest(b *testing.B) {
	benchmark(b, func(b *testing.B, connect func() *natsbus.Conn) func(int) error {
		if _, err := connect().Serve("a.*", "", func(m bus.Msg) { m.Respond(m.Data) }); err != nil {
			b.Fatal(err)
		}
		d, data := connect(), make([]byte, payload)
		return func(int) error { _, err := d.Request(b.Context(), "a.b", data); return err }
	})
}

// seqs are the sequences of each worker's records.
type seqs [1024][2]uint64

func commitOne(b *testing.B, connect func() *natsbus.Conn) func(int) error {
	d, data, s := connect(), make([]byte, payload), &seqs{}
	return func(w int) error {
		got, err := d.Records().Commit(b.Context(), bus.Write{Subject: "call.v1.rec.1." + strconv.Itoa(w), Data: data, Expect: s[w][0]})
		if err == nil {
			s[w][0] = got[0]
		}
		return err
	}
}

func BenchmarkCommit(b *testing.B) { benchmark(b, commitOne) }

func BenchmarkCommitCompressed(b *testing.B) {
	benchmark(b, commitOne, func(c *natsbus.Config) { c.Compress = true })
}

func commitTwo(b *testing.B, connect func() *natsbus.Conn) func(int) error {
	d, data, s := connect(), make([]byte, payload), &seqs{}
	return func(w int) error {
		id := "two-" + strconv.Itoa(w)
		got, err := d.Records().Commit(b.Context(),
			bus.Write{Subject: "call.v1.rec.1." + id, Data: data, Expect: s[w][0]},
			bus.Write{Subject: "call.v1.pair.1." + id, Data: data[:100], Expect: s[w][1]})
		if err == nil {
			s[w] = [2]uint64(got)
		}
		return err
	}
}

func BenchmarkCommitOfTwo(b *testing.B) { benchmark(b, commitTwo) }

func BenchmarkLoad(b *testing.B) {
	benchmark(b, func(b *testing.B, connect func() *natsbus.Conn) func(int) error {
		d := connect()
		if _, err := d.Records().Commit(b.Context(), bus.Write{Subject: "call.v1.rec.1.x", Data: make([]byte, payload)}); err != nil {
			b.Fatal(err)
		}
		return func(int) error { _, err := d.Records().Load(b.Context(), "call.v1.rec.1.x"); return err }
	})
}

func bucket(b *testing.B, connect func() *natsbus.Conn) bus.KV {
	b.Helper()
	kv, err := connect().KV(b.Context(), bus.KVConfig{Bucket: "b"})
	if err != nil {
		b.Fatal(err)
	}
	return kv
}

func BenchmarkKVPut(b *testing.B) {
	benchmark(b, func(b *testing.B, connect func() *natsbus.Conn) func(int) error {
		kv, data := bucket(b, connect), make([]byte, 100)
		return func(w int) error { _, err := kv.Put(b.Context(), "k."+strconv.Itoa(w), data); return err }
	})
}

func BenchmarkKVLastRevision(b *testing.B) {
	benchmark(b, func(b *testing.B, connect func() *natsbus.Conn) func(int) error {
		kv := bucket(b, connect)
		for i := range 1000 {
			if _, err := kv.Put(b.Context(), strconv.Itoa(i), nil); err != nil {
				b.Fatal(err)
			}
		}
		return func(int) error { _, err := kv.LastRevision(b.Context()); return err }
	})
}

// BenchmarkScan scans 1,000 records.
func BenchmarkScan(b *testing.B) {
	benchmark(b, func(b *testing.B, connect func() *natsbus.Conn) func(int) error {
		d := connect()
		for i := range 1000 {
			w := bus.Write{Subject: "call.v1.rec.1." + strconv.Itoa(i), Data: make([]byte, payload)}
			if _, err := d.Records().Commit(b.Context(), w); err != nil {
				b.Fatal(err)
			}
		}
		return func(int) error {
			return d.Records().Scan(b.Context(), "call.v1.rec.>", func(bus.Record) bool { return true })
		}
	})
}
