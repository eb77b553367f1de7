package media

import (
	"net"
	"testing"

	"github.com/pion/ice/v4"
	"github.com/pion/webrtc/v4"

	"github.com/tandem-rtc/tandem/services/media/internal/mediatest"
)

// of is a client that has one address only.
func of(t *testing.T, address string) *mediatest.Client {
	t.Helper()
	// By a mux, since pion gathers no ::1 by itself.
	conn, err := net.ListenUDP("udp", &net.UDPAddr{IP: net.ParseIP(address)})
	if err != nil {
		t.Fatal(err)
	}
	mux := ice.NewUDPMuxDefault(ice.UDPMuxParams{UDPConn: conn})
	t.Cleanup(func() { _ = mux.Close() })
	return client(t, mediatest.Options{Audio: "audio/opus", Settings: func(s *webrtc.SettingEngine) {
		s.SetICEUDPMux(mux)
		s.SetNetworkTypes([]webrtc.NetworkType{webrtc.NetworkTypeUDP4, webrtc.NetworkTypeUDP6})
	}})
}

// Terminals of either family are reached, and call each other: media is forwarded,
// so they need have nothing in common.
func TestCallsOverEitherFamily(t *testing.T) {
	const four, six = "127.0.0.1", "::1"
	for name, c := range map[string]struct {
		change         func(*Config)
		caller, callee string
	}{
		"IPv6 alone": {func(c *Config) { c.Listen = "[::1]:0" }, six, six},
		"both":       {func(c *Config) { c.Listen, c.Interfaces = "[::]:0", []string{"lo"} }, four, six},
		"an address in brackets": {func(c *Config) {
			c.Listen, c.Interfaces, c.ExternalIP = "[::]:0", []string{"lo"}, []string{"[::1]", "[127.0.0.1]"}
		}, six, four},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, c.change)
			a, b := of(t, c.caller), of(t, c.callee)
			r.connect(newCall(), a, b)
			send(t, a, "audio")
			send(t, b, "audio")
			until(t, "both hear", func() bool { return a.Audio.Load() > 5 && b.Audio.Load() > 5 })
		})
	}
}
