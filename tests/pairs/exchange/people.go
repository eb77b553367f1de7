package exchange

import (
	"context"
	"crypto/md5" //nolint:gosec // RFC 2617 digests are MD5
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
	"github.com/tandem-rtc/tandem/services/directory"
)

// Person is a subscriber to be.
type Person struct {
	// Name is part of everything that names the subscriber.
	Name string
	// NoNumber: no tel: address but the alias that the directory gives.
	NoNumber bool
	// Phone is the address that is this person's phone; "" leaves it to the
	// directory.
	Phone string
}

// Account makes the account of a person whom the directory does not know: nobody
// else has the same, in the life of the exchange.
func (x *Exchange) Account(p Person) kittest.Account {
	n := x.people.Add(1)
	id := fmt.Sprintf("%s.%d", p.Name, n)
	sum := md5.Sum([]byte(id + ":" + Domain + ":" + secret(id))) //nolint:gosec // as above
	a := kittest.Account{
		Subscriber: id, AOR: id + "@" + Domain, HA1: hex.EncodeToString(sum[:]), Token: "token-of-" + id,
		MXID: "@" + id + ":" + Domain,
	}
	if !p.NoNumber {
		a.MSISDN = fmt.Sprintf("+999%09d", n) // no country has 999
	}
	return a
}

func secret(id string) string { return "the secret of " + id }

// Subscribe makes a person known to the directory.
func (x *Exchange) Subscribe(ctx context.Context, p Person, a kittest.Account) error {
	s := directory.Subscriber{
		ID: a.Subscriber, DisplayName: p.Name, Addresses: []string{"sip:" + a.AOR}, Phone: p.Phone,
		Password: secret(a.Subscriber), Tokens: []string{a.Token},
	}
	if !p.NoNumber {
		s.Addresses = append(s.Addresses, "tel:"+a.MSISDN)
	}
	s.Addresses = append(s.Addresses, "matrix:u/"+strings.TrimPrefix(a.MXID, "@"))
	if x.Matrix != nil {
		s.Addresses = append(s.Addresses, "matrix:u/"+matrixtest.LocalpartOf(a)+":"+x.Matrix.Name)
	}
	if err := x.directory.Put(ctx, s); err != nil {
		return fmt.Errorf("subscribing %s: %w", a.Subscriber, err)
	}
	return nil
}

// Aliases gives the addresses that the directory gave a subscriber by itself.
func (x *Exchange) Aliases(subscriber string) []string {
	for _, l := range x.directory.List() {
		if l.ID == subscriber {
			return l.Aliases
		}
	}
	return nil
}
