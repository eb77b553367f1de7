package matrix

import (
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"

	"maunium.net/go/mautrix/appservice"
)

// BotLocalpart is the bot's name, and GhostPrefix begins the ghosts' names, where
// a registration that is made is told nothing else.
const (
	BotLocalpart = "tandem"
	GhostPrefix  = "tandem_"
)

// protocols are the third-party protocols whose look-ups the homeserver passes
// on: the dial pads of clients ask for them.
func protocols() []string { return []string{"m.protocol.pstn", "im.vector.protocol.pstn"} }

// NewRegistration makes a registration with new random tokens. url is where the
// homeserver reaches the adapter's port; bot and prefix (BotLocalpart, GhostPrefix)
// are localparts.
func NewRegistration(url, serverName, bot, prefix string) *appservice.Registration {
	r := appservice.CreateRegistration()
	limited := false
	r.ID, r.URL, r.SenderLocalpart, r.RateLimited, r.Protocols = "tandem", url, bot, &limited, protocols()
	r.Namespaces.UserIDs.Register(regexp.MustCompile("^@"+regexp.QuoteMeta(prefix)+".*:"+regexp.QuoteMeta(serverName)+"$"), true)
	return r
}

// LoadRegistration reads the file that the homeserver has too, and requires what the
// adapter cannot do without.
func LoadRegistration(path string) (*appservice.Registration, error) {
	if _, err := os.Stat(path); err != nil {
		return nil, fmt.Errorf("matrix: registration: %w", err)
	}
	r, err := appservice.LoadRegistration(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("matrix: registration %s: %w", path, err)
	case r.AppToken == "" || r.ServerToken == "" || r.SenderLocalpart == "":
		return nil, errors.New("matrix: registration: needs as_token, hs_token and sender_localpart")
	}
	return r, nil
}

// ghostPrefix finds what the ghosts' localparts begin with: the registration has one
// exclusive namespace of users, "@prefix.*:server".
func ghostPrefix(r *appservice.Registration, serverName string) (string, error) {
	for _, n := range r.Namespaces.UserIDs {
		pattern := strings.TrimSuffix(strings.TrimPrefix(strings.TrimPrefix(n.Regex, "^"), "@"), "$")
		prefix, ok := strings.CutSuffix(pattern, ".*:"+regexp.QuoteMeta(serverName))
		if !ok {
			prefix, ok = strings.CutSuffix(pattern, ".*:"+serverName)
		}
		prefix = strings.ReplaceAll(prefix, `\`, "")
		if ok && n.Exclusive && prefix != "" && escapeLocalpart(prefix) == prefix {
			return prefix, nil
		}
	}
	return "", fmt.Errorf("matrix: registration: needs an exclusive namespace of users such as @%s.*:%s", GhostPrefix, serverName)
}
