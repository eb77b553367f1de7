package demo

import (
	"testing"

	"github.com/tandem-rtc/tandem/services/directory"
)

func TestApply(t *testing.T) {
	c := directory.Defaults()
	c.Domains = []string{"example.org"}
	c.Subscribers = []directory.Subscriber{{ID: "zoe", Addresses: []string{"sip:zoe@example.org"}}}
	before := c
	Apply(&c, "echo-token")
	if err := c.Validate(); err != nil {
		t.Fatal(err)
	}
	if len(before.Subscribers) != 1 || len(c.Subscribers) != 5 || c.Subscribers[0].ID != "zoe" {
		t.Errorf("subscribers: %v", c.Subscribers)
	}
	for _, s := range c.ServiceTokens[0].Subscribers {
		if s == EchoID {
			t.Error("the public token acts for the echo terminal")
		}
	}
}
