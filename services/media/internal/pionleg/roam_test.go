package pionleg

import (
	"net"
	"regexp"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pion/rtp"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

// nat stands between a terminal and an engine, which sees only its outer address.
type nat struct {
	t     testing.TB
	inner *net.UDPConn
	to    *net.UDPAddr

	cut atomic.Bool // nothing passes

	mu       sync.Mutex
	outer    *net.UDPConn
	terminal *net.UDPAddr
	wg       sync.WaitGroup
}

func newNAT(t testing.TB, e *Engine) *nat {
	t.Helper()
	inner, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	n := &nat{t: t, inner: inner, to: net.UDPAddrFromAddrPort(e.Addr())}
	n.rebind()
	n.wg.Go(n.out)
	t.Cleanup(func() {
		_ = n.inner.Close()
		n.mu.Lock()
		_ = n.outer.Close()
		n.mu.Unlock()
		n.wg.Wait()
	})
	return n
}

// rebind gives the terminal another outer address; nothing gets to the old one.
func (n *nat) rebind() {
	n.t.Helper()
	c, err := net.DialUDP("udp4", nil, n.to)
	if err != nil {
		n.t.Fatal(err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.outer != nil {
		_ = n.outer.Close()
	}
	n.outer = c
	n.wg.Go(func() { n.in(c) })
}

func (n *nat) out() {
	buf := make([]byte, 1600)
	for {
		size, from, err := n.inner.ReadFromUDP(buf)
		if err != nil {
			return
		}
		n.mu.Lock()
		n.terminal = from
		if !n.cut.Load() {
			_, _ = n.outer.Write(buf[:size])
		}
		n.mu.Unlock()
	}
}

func (n *nat) in(c *net.UDPConn) {
	buf := make([]byte, 1600)
	for {
		size, err := c.Read(buf)
		if err != nil {
			return
		}
		n.mu.Lock()
		if !n.cut.Load() {
			_, _ = n.inner.WriteToUDP(buf[:size], n.terminal)
		}
		n.mu.Unlock()
	}
}

// beat is how often both ends of a connection through a NAT check it.
const beat = 100 * time.Millisecond

// connect connects a terminal behind the NAT to a leg.
func (n *nat) connect(e *Engine) (*mediatest.Client, leg.Leg) {
	t := n.t
	t.Helper()
	c := terminal(t, mediatest.Options{Audio: "audio/opus", Settings: func(s *webrtc.SettingEngine) {
		s.SetICETimeouts(time.Minute, time.Minute, beat)
	}})
	offer, err := c.Offer()
	if err != nil {
		t.Fatal(err)
	}
	l, ev := newLeg(t, e)
	if _, err := l.TakeOffer(regexp.MustCompile(`a=candidate:.*\r\n`).ReplaceAllString(offer, "")); err != nil {
		t.Fatal(err)
	}
	answer, err := described(l.MakeAnswer(l.Bounds()))
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(n.inner.LocalAddr().(*net.UDPAddr).Port) //nolint:forcetypeassert // it is one
	if err := c.Take(regexp.MustCompile(`127\.0\.0\.1 \d+ typ host`).ReplaceAllString(answer, "127.0.0.1 "+port+" typ host")); err != nil {
		t.Fatal(err)
	}
	wait(t, "leg up", ev.up)
	wait(t, "terminal up", c.Connected())
	return c, l
}

func TestTerminalIsFollowedToItsNewAddress(t *testing.T) {
	e := open(t, Config{KeepAlive: beat})
	n := newNAT(t, e)
	c, l := n.connect(e)
	sequence := uint16(0)
	reaches := func(what string) {
		t.Helper()
		before := c.Audio.Load()
		for deadline := time.Now().Add(patience); c.Audio.Load() == before; {
			if time.Now().After(deadline) {
				t.Fatalf("%s: nothing reaches the terminal", what)
			}
			sequence++
			l.Send(0, &rtp.Header{PayloadType: l.Session().Lines[0].Codecs[0].PayloadType, SequenceNumber: sequence}, []byte{1})
			<-time.After(5 * time.Millisecond)
		}
	}
	reaches("at first")
	n.rebind()
	reaches("after the change")
	if !l.Connected() {
		t.Error("the leg was given up")
	}
}
