// Package demo is the directory that an exchange has before anybody has
// configured one: three subscribers whose passwords everybody knows, and an echo
// number. Numbers and domain are of those reserved for examples (+1 202 555
// 01xx; RFC 6761 section 6.2).
package demo

import (
	"slices"

	"github.com/tandem-rtc/tandem/services/directory"
)

// What the demo is made of.
const (
	// Domain of the demo accounts.
	Domain = "demo.test"
	// Password of the demo accounts, and the token of the demo numbers.
	Password, Token = "demo", "demo"
	// Phone is the number that tandem phone has if it is told no other.
	Phone = "+12025550103"
	// Echo is the number of the echo terminal.
	Echo = "+12025550199"
	// EchoID is the echo terminal's subscriber.
	EchoID = "echo"
)

// Account is a demo subscriber as it is shown to people.
type Account struct {
	Name, Account, Number string
}

// Accounts gives the demo subscribers that people use.
func Accounts() []Account {
	return []Account{
		{"Alice", "alice@" + Domain, "+12025550101"},
		{"Bob", "bob@" + Domain, "+12025550102"},
		{"Carol", "carol@" + Domain, Phone},
	}
}

// Apply adds the demo to a directory's configuration. echoToken is what the
// echo terminal signs in with; it should be random.
func Apply(c *directory.Config, echoToken string) {
	if !slices.Contains(c.Domains, Domain) {
		c.Domains = append(slices.Clone(c.Domains), Domain)
	}
	token := directory.ServiceToken{Name: "demo", Token: Token}
	subscribers := slices.Clone(c.Subscribers)
	for _, a := range Accounts() {
		id := a.Account[:len(a.Account)-len("@"+Domain)]
		subscribers = append(subscribers, directory.Subscriber{
			ID: id, DisplayName: a.Name, Password: Password,
			Addresses: []string{"sip:" + a.Account, "tel:" + a.Number},
		})
		token.Subscribers = append(token.Subscribers, id)
	}
	c.Subscribers = append(subscribers, directory.Subscriber{
		ID: EchoID, DisplayName: "Echo", Tokens: []string{echoToken},
		Addresses: []string{"tel:" + Echo, "sip:echo@" + Domain},
	})
	c.ServiceTokens = append(slices.Clone(c.ServiceTokens), token)
}
