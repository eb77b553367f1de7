package pionleg

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"time"

	"github.com/pion/ice/v4"
)

// socket is the shared port as pion's mux sees it. When a leg closes, the mux
// would abort writes by a deadline on the socket, and so drop what other legs are
// sending at that moment; a UDP write does not block, so there is nothing to
// abort.
type socket struct {
	*net.UDPConn
	guard *guard
}

// SetWriteDeadline implements net.PacketConn and does nothing.
func (s socket) SetWriteDeadline(time.Time) error { return nil }

// ReadFromAddrPort implements ice.AddrPortReaderWriter. It gives only what the
// guard lets through.
func (s socket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := readOn(s.ReadFromUDPAddrPort, b)
		if err != nil || s.guard.admit(b[:n], from, time.Now()) {
			return n, from, err
		}
	}
}

// readAgain is the pause after an error, lest one that stays takes a core.
const readAgain = 5 * time.Millisecond

// readOn reads a packet. The mux takes an error for the end of the port, and with
// it of every leg, so it gets to see none but that, and timeouts.
func readOn(read func([]byte) (int, netip.AddrPort, error), b []byte) (int, netip.AddrPort, error) {
	for {
		n, from, err := read(b)
		if err == nil || errors.Is(err, net.ErrClosed) || os.IsTimeout(err) {
			return n, from, err
		}
		time.Sleep(readAgain)
	}
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (s socket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return s.WriteToUDPAddrPort(b, to)
}

var _ ice.AddrPortReaderWriter = socket{}
