package livecall

import (
	"net"
	"strings"
	"testing"

	"github.com/tandem-rtc/tandem/tests/pairs/voice"
)

func TestReachable(t *testing.T) {
	sdp := strings.Join([]string{
		"v=0", "m=audio 7900 UDP/TLS/RTP/SAVPF 111", "c=IN IP4 172.19.0.4",
		"a=candidate:1 1 udp 2130706431 127.0.0.1 43733 typ host", "a=candidate:2 1 udp 2130706431 172.19.0.4 7900 typ host",
		"a=end-of-candidates", "",
	}, "\r\n")
	got := reachable(&voice.Room{}, sdp)
	if strings.Contains(got, "172.19.0.4 7900") || !strings.Contains(got, "127.0.0.1 43733") || !strings.HasSuffix(got, "a=end-of-candidates\r\n") {
		t.Errorf("from the loopback:\n%s", got)
	}
	if got := reachable(&voice.Room{Address: net.IP.IsPrivate}, sdp); got != sdp {
		t.Errorf("from elsewhere:\n%s", got)
	}
}
