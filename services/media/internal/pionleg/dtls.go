package pionleg

import (
	"context"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/pion/dtls/v3"
	"github.com/pion/ice/v4"
	"github.com/pion/transport/v4/packetio"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
	"github.com/tandem-rtc/tandem/services/media/internal/sdp"
)

// handshake makes the DTLS connection (RFC 5763, RFC 8842), with the terminal that
// has the certificate of its description.
func (t *transport) handshake(remote sdp.Transport, setup string) (*dtls.Conn, error) {
	shared := []dtls.Option{
		dtls.WithCertificates(t.certificate),
		dtls.WithSRTPProtectionProfiles(dtls.SRTP_AEAD_AES_128_GCM, dtls.SRTP_AEAD_AES_256_GCM, dtls.SRTP_AES128_CM_HMAC_SHA1_80),
		dtls.WithFlightInterval(t.e.cfg.Retransmission),
		dtls.WithLoggerFactory(t.e.logs),
		// Certificates are self-signed; the description vouches for them.
		dtls.WithInsecureSkipVerify(true),
		dtls.WithVerifyPeerCertificate(func(raw [][]byte, _ [][]*x509.Certificate) error { return verify(raw, remote) }),
	}
	var conn *dtls.Conn
	var err error
	if setup == sdp.Passive {
		options := []dtls.ServerOption{
			dtls.WithClientAuth(dtls.RequireAnyClientCert),
			dtls.WithInsecureSkipVerifyHello(true), // ICE has verified the address
		}
		for _, o := range shared {
			options = append(options, o)
		}
		conn, err = dtls.ServerWithOptions(t.dtls, t.dtls.remote(), options...)
	} else {
		options := make([]dtls.ClientOption, 0, len(shared))
		for _, o := range shared {
			options = append(options, o)
		}
		conn, err = dtls.ClientWithOptions(t.dtls, t.dtls.remote(), options...)
	}
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.life, t.e.cfg.Handshake)
	defer cancel()
	if err := conn.HandshakeContext(ctx); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// secure takes the keys of a DTLS connection that is up.
func (t *transport) secure(conn *dtls.Conn, setup string) error {
	k, err := newKeys(conn, setup != sdp.Passive)
	if err != nil {
		_ = conn.Close()
		return err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.closed {
		_ = conn.Close()
		return leg.ErrClosed
	}
	t.secured = conn
	t.keys.Store(k)
	return nil
}

// verify compares the terminal's certificate with its fingerprint (RFC 8122).
func verify(raw [][]byte, remote sdp.Transport) error {
	if len(raw) == 0 {
		return errors.New("no certificate")
	}
	var sum string
	switch remote.FingerprintHash {
	case "sha-256":
		s := sha256.Sum256(raw[0])
		sum = digest(s[:])
	case "sha-384":
		s := sha512.Sum384(raw[0])
		sum = digest(s[:])
	case "sha-512":
		s := sha512.Sum512(raw[0])
		sum = digest(s[:])
	default:
		return fmt.Errorf("unknown hash %q", remote.FingerprintHash)
	}
	if !strings.EqualFold(sum, remote.Fingerprint) {
		return errors.New("not the certificate of the description")
	}
	return nil
}

// forged reports whether a datagram has a record in it that is not encrypted and
// that no terminal sends once there are keys (RFC 6347 section 4.1): nothing then
// but handshake messages, repeated because an answer was lost. Alerts and data come
// from somebody who knows the terminal's address, and would end the call.
func forged(datagram []byte) bool {
	const header, change, handshake = 13, 20, 22
	for len(datagram) >= header {
		end := min(len(datagram), header+int(binary.BigEndian.Uint16(datagram[11:])))
		if datagram[3] == 0 && datagram[4] == 0 { // epoch 0
			switch datagram[0] {
			case handshake:
			case change:
				if end != header+1 || datagram[header] != 1 {
					return true
				}
			default:
				return true
			}
		}
		datagram = datagram[end:]
	}
	return false
}

// dtlsQueue is the most bytes of DTLS that wait to be read.
const dtlsQueue = 64 << 10

// pipe is the DTLS part of a transport's packets, as a connection.
type pipe struct {
	conn *ice.Conn
	in   *packetio.Buffer
}

func newPipe() *pipe {
	p := &pipe{in: packetio.NewBuffer()}
	p.in.SetLimitSize(dtlsQueue)
	return p
}

// take queues a packet that came; it is dropped if there is no room.
func (p *pipe) take(packet []byte) { _, _ = p.in.Write(packet) }

func (p *pipe) close() { _ = p.in.Close() }

// remote is a stand-in: the terminal is wherever ICE finds it.
func (p *pipe) remote() net.Addr { return &net.UDPAddr{} }

// ReadFrom implements net.PacketConn.
func (p *pipe) ReadFrom(b []byte) (int, net.Addr, error) {
	n, err := p.in.Read(b)
	return n, p.remote(), err
}

// WriteTo implements net.PacketConn.
func (p *pipe) WriteTo(b []byte, _ net.Addr) (int, error) { return p.conn.Write(b) }

// Close implements net.PacketConn: it ends reading.
func (p *pipe) Close() error { return p.in.Close() }

// LocalAddr implements net.PacketConn.
func (p *pipe) LocalAddr() net.Addr { return p.remote() }

// SetDeadline implements net.PacketConn.
func (p *pipe) SetDeadline(at time.Time) error { return p.in.SetReadDeadline(at) }

// SetReadDeadline implements net.PacketConn.
func (p *pipe) SetReadDeadline(at time.Time) error { return p.in.SetReadDeadline(at) }

// SetWriteDeadline implements net.PacketConn; writing does not block.
func (p *pipe) SetWriteDeadline(time.Time) error { return nil }
