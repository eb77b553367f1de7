package permissions

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/tandem-rtc/tandem/tests/internal/harness"
)

// identity is a connection with a stolen key: nothing of Tandem is between it
// and the server.
type identity struct {
	t    testing.TB
	role string
	nc   *nats.Conn
}

// steal connects with a role's key, as the node "thief".
func steal(t testing.TB, x *harness.Exchange, role string) identity {
	t.Helper()
	key, err := nats.NkeyOptionFromSeed(filepath.Join(x.Identities, role+".nk"))
	if err != nil {
		t.Fatal(err)
	}
	nc, err := nats.Connect(x.NATS, key, nats.CustomInboxPrefix("_INBOX."+role+".thief"),
		nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})) // each is asked for below
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return identity{t, role, nc}
}

// try does one operation and reports whether the server refused it by name.
func (i identity) try(o operation) (refused bool) {
	i.t.Helper()
	what := "Publish"
	var err error
	if o.listen {
		what = "Subscription"
		var s *nats.Subscription
		if s, err = i.nc.SubscribeSync(o.subject); err == nil {
			defer func() { _ = s.Unsubscribe() }()
		}
	} else {
		err = i.nc.Publish(o.subject, []byte("{}"))
	}
	if err == nil {
		err = i.nc.FlushTimeout(10 * time.Second) // the server's refusal comes before its answer to this
	}
	if err != nil && !errors.Is(err, nats.ErrPermissionViolation) {
		i.t.Fatalf("%s, %s %s: %v", i.role, what, o.subject, err)
	}
	last := i.nc.LastError()
	return last != nil && strings.Contains(strings.ToLower(last.Error()), strings.ToLower("permissions violation for "+what+` to "`+o.subject+`"`))
}
