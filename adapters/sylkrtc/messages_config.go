package sylkrtc

import (
	"time"

	"github.com/tandem-rtc/tandem/adapters/sylkrtc/internal/mailbox"
	"github.com/tandem-rtc/tandem/schema"
)

// Messages configures messages between accounts, address books and the like.
type Messages struct {
	MaxContent int           `yaml:"max_content_bytes" doc:"Longest content of one message. A longer one gets an error reply."`
	Rate       float64       `yaml:"rate" doc:"Messages, and requests about conversations and contacts, per second taken from one connection over time. More get an error reply."`
	Burst      int           `yaml:"burst" doc:"Such requests taken at once from one connection before the rate applies."`
	History    int           `yaml:"history" doc:"Messages kept for one account, sent and received. The oldest are dropped for newer ones."`
	Bytes      int           `yaml:"history_bytes" doc:"Bytes of messages kept for one account."`
	Age        time.Duration `yaml:"history_age" doc:"How long a message is kept."`
	Waiting    int           `yaml:"max_waiting" doc:"Messages that may wait for an account that is not connected. Further ones fail with 480."`
	WakeAfter  time.Duration `yaml:"wake_after" doc:"How long a message waits for a connection of its recipient, at any node, before the recipient's devices are woken."`
	Contacts   int           `yaml:"max_contacts" doc:"Contacts, and as many groups and policies, in one account's address book; all of them together have at most 512 KiB."`
}

func messagesDefaults() Messages {
	return Messages{
		MaxContent: 64 << 10,
		Rate:       10,
		Burst:      200, // long texts come in pieces
		History:    1000,
		Bytes:      8 << 20,
		Age:        90 * 24 * time.Hour,
		Waiting:    200,
		WakeAfter:  2 * time.Second,
		Contacts:   1000,
	}
}

func (c *Messages) validate() error {
	for _, f := range []struct {
		path          string
		v, least, top int
	}{
		{"messages.max_content_bytes", c.MaxContent, 1024, 128 << 10}, // a value of the store holds several
		{"messages.burst", c.Burst, 1, 1 << 20},
		{"messages.history", c.History, 16, 20_000},
		{"messages.history_bytes", c.Bytes, 8 * c.MaxContent, 256 << 20},
		{"messages.max_waiting", c.Waiting, 1, min(c.History/2, 2000)},
		{"messages.max_contacts", c.Contacts, 1, 5000},
	} {
		if f.v < f.least || f.v > f.top {
			return schema.Invalid(f.path, "must be between %d and %d", f.least, f.top)
		}
	}
	if !(c.Rate > 0) {
		return schema.Invalid("messages.rate", "must be greater than 0")
	}
	if c.WakeAfter < time.Millisecond {
		return schema.Invalid("messages.wake_after", "must be at least 1ms")
	}
	if c.Age < time.Hour {
		return schema.Invalid("messages.history_age", "must be at least 1h")
	}
	return nil
}

func (c *Messages) limits() mailbox.Limits {
	return mailbox.Limits{Items: c.History, Bytes: c.Bytes, Age: c.Age, Waiting: c.Waiting}
}
