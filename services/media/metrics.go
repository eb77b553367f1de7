package media

import "time"

// Metrics takes what the service counts. Names are the literals below. Calls
// never block.
type Metrics interface {
	// Count adds to a counter.
	Count(name string, n int)
	// Gauge sets a present value.
	Gauge(name string, v int)
	// Observe adds a duration to a distribution.
	Observe(name string, d time.Duration)
}

// Names of what is counted.
const (
	// MetricLegs is the number of live legs (gauge).
	MetricLegs = "legs"
	// MetricCommands counts commands, MetricRefused operations that failed.
	MetricCommands = "commands"
	MetricRefused  = "refused"
	// MetricOverload counts commands that found no room.
	MetricOverload = "overload"
	// MetricExpired counts legs that nobody committed to.
	MetricExpired = "legs_expired"
	// MetricConnected and MetricFailed count legs' transports. MetricLeft counts
	// those that the terminal closed itself, as one does that hangs up.
	MetricConnected = "legs_connected"
	MetricFailed    = "legs_failed"
	MetricLeft      = "legs_left"
	// MetricSignalsDropped counts signals that found no leg or no room.
	MetricSignalsDropped = "signals_dropped"
	// MetricConnect is the time from a leg's last description to its connection.
	MetricConnect = "connect_seconds"
	// MetricPackets and MetricBytes count RTP that legs received, MetricPacketsSent
	// and MetricBytesSent what they sent.
	MetricPackets     = "packets"
	MetricBytes       = "bytes"
	MetricPacketsSent = "packets_sent"
	MetricBytesSent   = "bytes_sent"
	// MetricLost counts packets of terminals that did not come here,
	// MetricLostSent those of ours that did not come there, as terminals say.
	MetricLost     = "packets_lost"
	MetricLostSent = "packets_sent_lost"
	// MetricRetransmitted counts packets sent again for a terminal that asked,
	// MetricKeyFrames key frames that terminals asked for.
	MetricRetransmitted = "packets_retransmitted"
	MetricKeyFrames     = "key_frame_requests"
)

// Counters lists the names that Count is called with, so that each is there, at 0,
// before anything happened: the rate of what appears with its first count misses it.
func Counters() []string {
	return []string{
		MetricCommands, MetricRefused, MetricOverload, MetricExpired, MetricConnected, MetricFailed, MetricLeft, MetricSignalsDropped,
		MetricPackets, MetricBytes, MetricPacketsSent, MetricBytesSent, MetricLost, MetricLostSent, MetricRetransmitted, MetricKeyFrames,
	}
}

type noMetrics struct{}

func (noMetrics) Count(string, int)             {}
func (noMetrics) Gauge(string, int)             {}
func (noMetrics) Observe(string, time.Duration) {}
