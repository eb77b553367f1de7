package callstate

import (
	"time"

	"github.com/tandem-rtc/tandem/schema"
	"github.com/tandem-rtc/tandem/services/callstate/step"
)

// Config is the service's configuration.
type Config struct {
	RingTimeout           time.Duration `yaml:"ring_timeout" doc:"How long a call may go unanswered."`
	MediaTimeout          time.Duration `yaml:"media_timeout" doc:"How long media may take to connect after the answer."`
	Grace                 time.Duration `yaml:"grace" doc:"How long a lost terminal that can resume may take to come back."`
	ReofferTimeout        time.Duration `yaml:"reoffer_timeout" doc:"How long a terminal may take to answer an offer inside a call; then the call stays as it was."`
	WakeTimeout           time.Duration `yaml:"wake_timeout" doc:"How long a call to a subscriber whose devices are woken waits for one of them to sign in."`
	MaxDuration           time.Duration `yaml:"max_duration" doc:"Longest answered call; 0 for no limit."`
	MaxForks              int           `yaml:"max_forks" doc:"Most terminals that one call rings, 1 to 32; of more, those that signed in last."`
	MaxCalls              int           `yaml:"max_calls" doc:"Most live calls that this node takes; further offers are refused as overload."`
	MaxCallsPerSubscriber int           `yaml:"max_calls_per_subscriber" doc:"Most live calls that one subscriber has placed, as far as this node holds them: with several call-state nodes, each one's share. 0 for no limit. Further offers are refused as rate limited."`
	CallsPerMinute        int           `yaml:"calls_per_minute" doc:"Calls that one subscriber may place in a minute, on each call-state node; as many may come at once. 0 for no limit."`
	TotalCallsPerMinute   int           `yaml:"total_calls_per_minute" doc:"Calls that all subscribers together may place in a minute, on each call-state node; as many may come at once. Further offers are refused as overload. 0 for no limit."`
	LadderSize            int           `yaml:"ladder_size" doc:"Most entries of a call's ladder."`
	RecordTTL             time.Duration `yaml:"record_ttl" doc:"How long an ended call's record is kept."`
	LeaseTTL              time.Duration `yaml:"lease_ttl" doc:"How long a partition stays with a node that does not renew its lease."`
	NodeGrace             time.Duration `yaml:"node_grace" doc:"How long a node may be missing before its terminals count as lost."`
}

// DefaultConfig gives the defaults.
func DefaultConfig() Config {
	return Config{
		RingTimeout: time.Minute, MediaTimeout: 30 * time.Second, Grace: 20 * time.Second,
		ReofferTimeout: 15 * time.Second, WakeTimeout: 30 * time.Second,
		MaxDuration: 12 * time.Hour, MaxForks: 16, MaxCalls: 10_000, MaxCallsPerSubscriber: 100, LadderSize: 64,
		RecordTTL: 10 * time.Minute, LeaseTTL: 15 * time.Second, NodeGrace: 3 * time.Second,
	}
}

// Validate reports the first field that cannot work.
func (c Config) Validate() error {
	positive := []struct {
		field string
		value time.Duration
	}{
		{"ring_timeout", c.RingTimeout}, {"media_timeout", c.MediaTimeout},
		{"reoffer_timeout", c.ReofferTimeout}, {"wake_timeout", c.WakeTimeout},
		{"record_ttl", c.RecordTTL - time.Second + 1}, {"lease_ttl", c.LeaseTTL - time.Second + 1},
	}
	for _, p := range positive {
		if p.value <= 0 {
			return schema.Invalid(p.field, "must be positive, and at least 1s where it is stored")
		}
	}
	switch {
	case c.Grace < 0 || c.MaxDuration < 0 || c.NodeGrace < 0:
		return schema.Invalid("grace", "durations must not be negative")
	case c.MaxForks < 1 || c.MaxForks > 32:
		return schema.Invalid("max_forks", "must be 1 to 32")
	case c.MaxCalls < 1:
		return schema.Invalid("max_calls", "must be positive")
	case c.MaxCallsPerSubscriber < 0:
		return schema.Invalid("max_calls_per_subscriber", "must not be negative")
	case c.CallsPerMinute < 0:
		return schema.Invalid("calls_per_minute", "must not be negative")
	case c.TotalCallsPerMinute < 0:
		return schema.Invalid("total_calls_per_minute", "must not be negative")
	case c.LadderSize < 8 || c.LadderSize > 1024:
		return schema.Invalid("ladder_size", "must be 8 to 1024")
	}
	return nil
}

func (c Config) settings() step.Settings {
	return step.Settings{
		Ring: c.RingTimeout, MediaSetup: c.MediaTimeout, Grace: c.Grace,
		Reoffer: c.ReofferTimeout, Wake: c.WakeTimeout, Duration: c.MaxDuration, Forks: c.MaxForks, Ladder: c.LadderSize,
	}
}

// How the service talks to others. These bound single tries, not calls.
const (
	// commandBudget bounds one command; its sender tries again after that.
	commandBudget = 8 * time.Second
	// mediaTimeout bounds one media command.
	mediaTimeout = 3 * time.Second
	// eventTimeout bounds one try to deliver an event.
	eventTimeout = 5 * time.Second
	// eventBackoff is the first and the longest pause between tries.
	eventBackoff, eventBackoffMax = 50 * time.Millisecond, 2 * time.Second
	// provisionalWait is how long events that decide nothing may go unacknowledged
	// before what they say is committed.
	provisionalWait = 100 * time.Millisecond
	// storeBackoff is the pause before a failed read or write is tried again.
	storeBackoff = 50 * time.Millisecond
	// internalRetry is the pause before the service repeats a command of its own.
	internalRetry = time.Second
	// purgeRetry is the pause before what an earlier start of a node left is tried
	// to be removed again.
	purgeRetry = time.Second
	// queueSize bounds the commands that wait for one call.
	queueSize = 64
	// questionTimeout bounds one question to the directory.
	questionTimeout = 3 * time.Second
	// maxSkips is how often a command is planned anew because the media node has
	// its revisions in use.
	maxSkips = 8
	// maxAfter bounds what a call has its media node do after commits; beyond it,
	// the record says what is to be.
	maxAfter = 64
	// statusFor is how long a terminal is told what a call is to it.
	statusFor = time.Minute
	// maxAsking bounds the questions for a subscriber's calls that are answered at
	// a time.
	maxAsking = 64
	// maxCallsShown bounds the answer to one.
	maxCallsShown = 32
	// fullUsage is the share of the journal above which no new call is taken.
	fullUsage = 0.8
)
