package exchange

import (
	"net"
	"os"
	"path/filepath"
	"time"

	"github.com/tandem-rtc/tandem/adapters/matrix"
	"github.com/tandem-rtc/tandem/tests/internal/dendrite"
)

// Homeserver is a real one, with the adapter as its application service.
type Homeserver struct {
	// URL is that of its client-server API, Name ends its users' ids.
	URL, Name string
	// Secret lets who knows it make users.
	Secret string
	// Bot is the adapter's own user; the localparts of its others begin with Ghosts.
	Bot, Ghosts string
}

// matrix runs a homeserver and the adapter.
func (x *Exchange) matrix() {
	x.tb.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0") // before the homeserver, which is told of it
	x.must(err)
	file := filepath.Join(x.tb.TempDir(), "registration.yaml")
	r, err := matrix.NewRegistration("http://"+l.Addr().String(), dendrite.Name, matrix.BotLocalpart, matrix.GhostPrefix).YAML()
	x.must(err)
	x.must(os.WriteFile(file, []byte(r), 0o600))
	home := dendrite.Start(x.tb, dendrite.Options{Registrations: []string{file}, LogLevel: "error"})
	x.stops = append(x.stops, home.Stop)
	x.Matrix = &Homeserver{
		URL: home.URL, Name: home.Name, Secret: dendrite.Secret,
		Bot: "@" + matrix.BotLocalpart + ":" + home.Name, Ghosts: matrix.GhostPrefix,
	}
	cfg := matrix.Defaults()
	cfg.Homeserver, cfg.ServerName, cfg.Registration, cfg.Listener = home.URL, home.Name, file, l
	// Rooms that nobody asked for would cost the homeserver more than the calls.
	cfg.Portals = false
	// Call state takes back what is offered sooner than in earnest.
	cfg.Crossing = time.Second
	x.host(matrix.Spec(), cfg)
}
