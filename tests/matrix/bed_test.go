package matrix

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tandem-rtc/tandem/tests/internal/dendrite"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/matrixphone"
)

// Demo accounts and numbers.
const (
	bob         = "bob@demo.test"
	carolNumber = "+12025550103"
	bobNumber   = "+12025550102"
	echoNumber  = "+12025550199"
	nobody      = "+12025550177"
	// dora is in the configuration, with her Matrix user.
	doraNumber = "+12025550144"
)

// bed is a homeserver with an exchange as its application service.
type bed struct {
	*harness.Exchange
	server *dendrite.Server
	people *atomic.Int64
}

// newBed starts one. durable homeservers can be killed and come back.
func newBed(t *testing.T, topology harness.Topology, durable bool) bed {
	t.Helper()
	port := harness.FreePorts(t, 1)[0]
	registration := filepath.Join(t.TempDir(), "registration.yaml")
	shared.binary.Run(t, "matrix", "registration", "--server-name", dendrite.Name,
		"--url", fmt.Sprintf("http://127.0.0.1:%d", port), "--output", registration)
	s := dendrite.Start(t, dendrite.Options{Registrations: []string{registration}, Durable: durable})
	x := harness.StartExchange(t, shared.binary, topology, harness.Options{Roles: []string{"matrix"}, Set: map[string]string{
		"directory.subscribers": "[{id: dora, display_name: Dora of the directory, addresses: [\"matrix:u/dora:" + s.Name + "\", \"tel:" + doraNumber + "\"]}]",
		"matrix.homeserver":     s.URL,
		"matrix.server_name":    s.Name,
		"matrix.registration":   registration,
		"matrix.listen":         fmt.Sprintf("127.0.0.1:%d", port),
	}})
	return bed{Exchange: x, server: s, people: &atomic.Int64{}}
}

// person is a Matrix user who has signed up.
type person struct {
	*dendrite.User
	// name is what others see, number what others dial.
	name, number string
	// line is the room with the bot.
	line string
}

// signUp makes a Matrix user with a line.
func (b bed) signUp(t *testing.T, name string) *person {
	t.Helper()
	p := b.newcomer(t, name)
	b.giveLine(t, p, false)
	return p
}

// newcomer makes a Matrix user whom Tandem does not know yet.
func (b bed) newcomer(t *testing.T, name string) *person {
	t.Helper()
	p := &person{User: b.server.User(t, fmt.Sprintf("%s%d", strings.ToLower(name), b.people.Add(1))), name: name}
	p.SetDisplayName(t, name)
	return p
}

// giveLine signs a Matrix user up, with a line that is encrypted or not.
func (b bed) giveLine(t *testing.T, p *person, encrypted bool) {
	t.Helper()
	p.line = b.direct(t, p, "@tandem:"+b.server.Name, encrypted)
	harness.Eventually(t, step, p.ID+" in the directory", func() (bool, string) {
		var list string
		p.number, list = b.number(t, p.ID)
		return p.number != "", list
	})
}

// direct makes a room of a person and a user of Tandem's, and waits until it is
// there.
func (b bed) direct(t *testing.T, p *person, with string, encrypted bool) string {
	t.Helper()
	room := p.CreateRoom(t, dendrite.Room{Invite: []string{with}, Direct: true, Encrypted: encrypted})
	harness.Eventually(t, step, with+" joined", func() (bool, string) {
		joined := p.Joined(t, room)
		return slices.Contains(joined, with), strings.Join(joined, " ")
	})
	if encrypted {
		// Who is called before that may have no keys in time, and does not ring.
		harness.Eventually(t, step, "keys for "+room, func() (bool, string) {
			for line := range strings.Lines(b.Processes["all"].Log()) {
				if strings.Contains(line, "keys given") && strings.Contains(line, "room="+room) {
					return true, ""
				}
			}
			return false, "not given"
		})
	}
	return room
}

// portal makes a room of a person and whoever has a number.
func (b bed) portal(t *testing.T, p *person, number string, encrypted bool) string {
	t.Helper()
	return b.direct(t, p, b.ghost(number), encrypted)
}

// ghost is the Matrix user that stands for a number.
func (b bed) ghost(number string) string {
	return "@tandem_" + strings.TrimPrefix(number, "+") + ":" + b.server.Name
}

// number is the number by which others dial a Matrix user, and the list that it
// was looked for in.
func (b bed) number(t *testing.T, user string) (number, list string) {
	t.Helper()
	list = b.Operate(t, "directory", "directory", "list", "--json")
	var out struct {
		Subscribers []struct{ Addresses, Aliases []string }
	}
	if err := json.Unmarshal([]byte(list), &out); err != nil {
		t.Fatalf("list of subscribers: %v", err)
	}
	address := "matrix:u/" + strings.TrimPrefix(user, "@")
	for _, s := range out.Subscribers {
		if !slices.Contains(s.Addresses, address) {
			continue
		}
		for _, a := range slices.Concat(s.Addresses, s.Aliases) {
			if tel, ok := strings.CutPrefix(a, "tel:"); ok {
				return tel, list
			}
		}
	}
	return "", list
}

// device signs a person in at a device of its own.
func (b bed) device(t *testing.T, on *harness.Browser, p *person, encrypt bool) *matrixphone.Phone {
	t.Helper()
	return shared.site.Open(t, on, b.server, p.User, matrixphone.Options{Encrypt: encrypt})
}

// softphone opens the softphone page as bob, on the right.
func (b bed) softphone(t *testing.T) *harness.Page {
	t.Helper()
	p := shared.right.Open(t, b.URL)
	p.SignIn(bob)
	return p
}

func tone(hertz int) []string { return []string{"--tone", fmt.Sprint(hertz)} }

func accept(p *harness.Page, video bool) {
	if video {
		p.Click("accept-video")
	} else {
		p.Click("accept-audio")
	}
}
