package sylkrtc

import (
	"errors"
	"math"
	"testing"

	"github.com/tandem-rtc/tandem/schema"
)

func TestMessagesConfigValidate(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Messages){
		"messages.max_content_bytes": func(c *Messages) { c.MaxContent = 1 << 20 },
		"messages.rate":              func(c *Messages) { c.Rate = math.NaN() },
		"messages.burst":             func(c *Messages) { c.Burst = 0 },
		"messages.history":           func(c *Messages) { c.History = 1 },
		"messages.history_bytes":     func(c *Messages) { c.Bytes = c.MaxContent },
		"messages.history_age":       func(c *Messages) { c.Age = 0 },
		"messages.max_waiting":       func(c *Messages) { c.Waiting = c.History },
		"messages.wake_after":        func(c *Messages) { c.WakeAfter = 0 },
		"messages.max_contacts":      func(c *Messages) { c.Contacts = -1 },
	} {
		c := Defaults()
		change(&c.Messages)
		var e *schema.Error
		if err := c.Validate(); !errors.As(err, &e) || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}

// A client may have any content type but those that say something about another
// message.
func TestReservedContentTypes(t *testing.T) {
	for contentType, want := range map[string]bool{
		"text/plain": false, "text/html; charset=utf-8": false, "application/sylk-file-transfer": false, "text/pgp-public-key": false,
		"message/imdn": true, "MESSAGE/IMDN ; x=y": true, "message/cpim": true, "application/sylk-message-remove": true,
		"application/sylk-conversation-remove": true, "application/sylk-conversation-read": true,
	} {
		if got := reserved(contentType); got != want {
			t.Errorf("%s: %v", contentType, got)
		}
	}
}
