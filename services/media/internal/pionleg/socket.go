package pionleg

import (
	"net"
	"net/netip"
	"time"

	"github.com/pion/ice/v4"
)

// socket is the shared port as pion's mux sees it. When a leg closes, the mux
// would abort writes by a deadline on the socket, and so drop what other legs are
// sending at that moment; a UDP write does not block, so there is nothing to
// abort.
type socket struct{ *net.UDPConn }

// SetWriteDeadline implements net.PacketConn and does nothing.
func (s socket) SetWriteDeadline(time.Time) error { return nil }

// ReadFromAddrPort implements ice.AddrPortReaderWriter.
func (s socket) ReadFromAddrPort(b []byte) (int, netip.AddrPort, error) {
	return s.ReadFromUDPAddrPort(b)
}

// WriteToAddrPort implements ice.AddrPortReaderWriter.
func (s socket) WriteToAddrPort(b []byte, to netip.AddrPort) (int, error) {
	return s.WriteToUDPAddrPort(b, to)
}

var _ ice.AddrPortReaderWriter = socket{}
