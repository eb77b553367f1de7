package pionleg

import (
	"errors"
	"fmt"
	"sync"

	"github.com/pion/dtls/v3"
	"github.com/pion/rtcp"
	"github.com/pion/rtp"
	"github.com/pion/srtp/v3"

	"github.com/tandem-rtc/tandem/services/media/internal/leg"
)

// How far behind the newest packet one may come: a packet sent again in its own
// stream comes late.
const (
	replayRTP  = 1024
	replayRTCP = 64
)

// keys are a transport's SRTP keys (RFC 3711), and the state of its streams.
type keys struct {
	leg.Keys
	// in belongs to the goroutine that reads.
	in *srtp.Context

	mu     sync.Mutex
	out    *srtp.Context
	header rtp.Header
}

// newKeys takes the keys of a DTLS connection (RFC 5764 section 4.2).
func newKeys(conn *dtls.Conn, client bool) (*keys, error) {
	selected, ok := conn.SelectedSRTPProtectionProfile()
	if !ok {
		return nil, errors.New("pionleg: no SRTP profile in common")
	}
	cfg := &srtp.Config{}
	switch selected {
	case dtls.SRTP_AEAD_AES_128_GCM:
		cfg.Profile = srtp.ProtectionProfileAeadAes128Gcm
	case dtls.SRTP_AEAD_AES_256_GCM:
		cfg.Profile = srtp.ProtectionProfileAeadAes256Gcm
	case dtls.SRTP_AES128_CM_HMAC_SHA1_80:
		cfg.Profile = srtp.ProtectionProfileAes128CmHmacSha1_80
	default:
		return nil, fmt.Errorf("pionleg: SRTP profile %d", selected)
	}
	state, ok := conn.ConnectionState()
	if !ok {
		return nil, errors.New("pionleg: no DTLS state")
	}
	if err := cfg.ExtractSessionKeysFromDTLS(&state, client); err != nil {
		return nil, fmt.Errorf("pionleg: %w", err)
	}
	k := &keys{Keys: leg.Keys{
		Profile:  uint16(cfg.Profile),
		LocalKey: cfg.Keys.LocalMasterKey, LocalSalt: cfg.Keys.LocalMasterSalt,
		RemoteKey: cfg.Keys.RemoteMasterKey, RemoteSalt: cfg.Keys.RemoteMasterSalt,
	}}
	var err error
	if k.in, err = srtp.CreateContext(k.RemoteKey, k.RemoteSalt, cfg.Profile,
		srtp.SRTPReplayProtection(replayRTP), srtp.SRTCPReplayProtection(replayRTCP)); err != nil {
		return nil, fmt.Errorf("pionleg: %w", err)
	}
	if k.out, err = srtp.CreateContext(k.LocalKey, k.LocalSalt, cfg.Profile); err != nil {
		return nil, fmt.Errorf("pionleg: %w", err)
	}
	return k, nil
}

// tagRoom is what encryption adds at most.
const tagRoom = 32

// sealRTP encrypts a packet, in the buffer if there is room.
func (k *keys) sealRTP(buf []byte, h *rtp.Header, payload []byte) ([]byte, error) {
	size := h.MarshalSize()
	if need := size + len(payload) + tagRoom; len(buf) < need {
		buf = make([]byte, need)
	}
	n, err := h.MarshalTo(buf)
	if err != nil {
		return nil, err
	}
	n += copy(buf[n:], payload)
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.out.EncryptRTP(buf, buf[:n], &k.header)
}

// sealRTCP encrypts a compound packet.
func (k *keys) sealRTCP(packets []rtcp.Packet) ([]byte, error) {
	raw, err := rtcp.Marshal(packets)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.out.EncryptRTCP(nil, raw, nil)
}
