package matrix

import (
	"testing"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

func TestMaxUsers(t *testing.T) {
	cfg := Defaults()
	cfg.MaxUsers = 1
	known := &user{id: "@alice:example.org"}
	s := &term{cfg: cfg, users: map[id.UserID]*user{known.id: known}, held: map[string]*roomLock{}}
	if u, err := s.ensureUser(t.Context(), known.id, "@bot:example.org"); u != known || err != nil {
		t.Errorf("one who is there: %v, %v", u, err)
	}
	if _, err := s.ensureUser(t.Context(), "@bob:example.org", "@bot:example.org"); schema.CodeOf(err) != callv1.Code_CODE_OVERLOAD {
		t.Errorf("one more: %v", err)
	}
}
