package phone

import (
	"time"

	"github.com/pion/ice/v4"
	"github.com/pion/interceptor"
	"github.com/pion/webrtc/v4"
)

// newAPI makes a pion that speaks Opus and the video codecs that browsers do.
// Audio codecs that this phone cannot make are left out.
func newAPI(loopback bool) (*webrtc.API, error) {
	m := &webrtc.MediaEngine{}
	if err := registerCodecs(m); err != nil {
		return nil, err
	}
	// Not the statistics: they cost more than the rest together.
	i := &interceptor.Registry{}
	if err := webrtc.ConfigureNack(m, i); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureRTCPReports(i); err != nil {
		return nil, err
	}
	if err := webrtc.ConfigureTWCCSender(m, i); err != nil {
		return nil, err
	}
	s := webrtc.SettingEngine{}
	s.SetICEMulticastDNSMode(ice.MulticastDNSModeDisabled)
	s.SetIncludeLoopbackCandidate(loopback)
	// The exchange's candidates are in its description, and the first that
	// works is as good as any.
	s.SetHostAcceptanceMinWait(0)
	s.SetPrflxAcceptanceMinWait(0)
	// Browsers' value; the default of 1 s shows whenever a packet is lost.
	s.SetDTLSRetransmissionInterval(50 * time.Millisecond)
	return webrtc.NewAPI(webrtc.WithMediaEngine(m), webrtc.WithInterceptorRegistry(i), webrtc.WithSettingEngine(s)), nil
}

func registerCodecs(m *webrtc.MediaEngine) error {
	feedback := []webrtc.RTCPFeedback{{Type: "ccm", Parameter: "fir"}, {Type: "nack"}, {Type: "nack", Parameter: "pli"}}
	video := func(mime, fmtp string) webrtc.RTPCodecCapability {
		return webrtc.RTPCodecCapability{MimeType: mime, ClockRate: 90000, SDPFmtpLine: fmtp, RTCPFeedback: feedback}
	}
	rtx := func(of string) webrtc.RTPCodecCapability {
		return webrtc.RTPCodecCapability{MimeType: webrtc.MimeTypeRTX, ClockRate: 90000, SDPFmtpLine: "apt=" + of}
	}
	for _, c := range []struct {
		payloadType webrtc.PayloadType
		kind        webrtc.RTPCodecType
		codec       webrtc.RTPCodecCapability
	}{
		{111, webrtc.RTPCodecTypeAudio, webrtc.RTPCodecCapability{
			MimeType: webrtc.MimeTypeOpus, ClockRate: opusRate, Channels: 2, SDPFmtpLine: "minptime=10;useinbandfec=1",
		}},
		{110, webrtc.RTPCodecTypeAudio, webrtc.RTPCodecCapability{
			MimeType: "audio/telephone-event", ClockRate: opusRate, SDPFmtpLine: "0-15",
		}},
		{96, webrtc.RTPCodecTypeVideo, video(webrtc.MimeTypeVP8, "")},
		{97, webrtc.RTPCodecTypeVideo, rtx("96")},
		{102, webrtc.RTPCodecTypeVideo, video(webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42e01f")},
		{103, webrtc.RTPCodecTypeVideo, rtx("102")},
		{104, webrtc.RTPCodecTypeVideo, video(webrtc.MimeTypeH264, "level-asymmetry-allowed=1;packetization-mode=1;profile-level-id=42001f")},
		{105, webrtc.RTPCodecTypeVideo, rtx("104")},
		{98, webrtc.RTPCodecTypeVideo, video(webrtc.MimeTypeVP9, "profile-id=0")},
		{99, webrtc.RTPCodecTypeVideo, rtx("98")},
		{45, webrtc.RTPCodecTypeVideo, video(webrtc.MimeTypeAV1, "")},
		{46, webrtc.RTPCodecTypeVideo, rtx("45")},
	} {
		p := webrtc.RTPCodecParameters{RTPCodecCapability: c.codec, PayloadType: c.payloadType}
		if err := m.RegisterCodec(p, c.kind); err != nil {
			return err
		}
	}
	return nil
}
