package directory

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
)

// The bucket holds, as JSON:
//
//	sub.<id>        a subscriber
//	addr.<address>  a claim: which subscriber the address names
//	svc.<name>      a service token
//	dev.<account>   the devices of an account that can be woken
//	sync.<node>     nothing; written by a node to see its own writes
//
// A subscriber's record is written before its claims. Only a claim makes an
// address resolve, and a claim is valid only while the subscriber it names
// lists the address; so two writers can never both get one, whatever happens
// in between.
const (
	bucketName = "directory"
	subPrefix  = "sub."
	addrPrefix = "addr."
	svcPrefix  = "svc."
	devPrefix  = "dev."
	syncPrefix = "sync."
)

// Who put an entry into the directory.
const (
	sourceConfig = "config"
	sourceAdmin  = "admin"
	sourceMatrix = "matrix" // made when the user was first heard of
)

// subscriberRecord is a subscriber as stored.
type subscriberRecord struct {
	ID          string `json:"id"`
	DisplayName string `json:"display_name,omitempty"`
	// Addresses are canonical, the subscriber's own, preferred first.
	Addresses []string `json:"addresses,omitempty"`
	// Aliases are canonical; once given they stay.
	Aliases []string `json:"aliases,omitempty"`
	Phone   string   `json:"phone,omitempty"`
	// HA1 maps an account (canonical sip: address) to 32 hex digits.
	HA1 map[string]string `json:"ha1,omitempty"`
	// Tokens are SHA-256 in hex.
	Tokens []string `json:"tokens,omitempty"`
	Source string   `json:"source"`
}

// lists reports whether the subscriber has the address, own or alias.
func (r *subscriberRecord) lists(address string) bool {
	return slices.Contains(r.Addresses, address) || slices.Contains(r.Aliases, address)
}

// same reports whether two records say the same, aliases apart.
func (r *subscriberRecord) same(o *subscriberRecord) bool {
	a, b := *r, *o
	a.Aliases, b.Aliases = nil, nil
	return string(encode(&a)) == string(encode(&b))
}

// claim is the value of an address key.
type claim struct {
	Subscriber string `json:"subscriber"`
}

// serviceRecord is a service token as stored.
type serviceRecord struct {
	Name string `json:"name"`
	// Token is its SHA-256 in hex; empty for a client of an issuer.
	Token       string   `json:"token,omitempty"`
	Client      string   `json:"client,omitempty"`
	Issuer      string   `json:"issuer,omitempty"`
	All         bool     `json:"all,omitempty"`
	Subscribers []string `json:"subscribers,omitempty"`
	Source      string   `json:"source"`
}

// client is a product as an issuer's tokens name it.
type client struct{ issuer, id string }

func (r *serviceRecord) clientOf() client { return client{r.Issuer, r.Client} }

func (r *serviceRecord) same(o *serviceRecord) bool { return string(encode(r)) == string(encode(o)) }

// encode gives a record's stored form; the records here cannot fail to encode.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	return b
}

func subKey(id string) string       { return subPrefix + keyToken(id) }
func addrKey(address string) string { return addrPrefix + keyToken(address) }
func svcKey(name string) string     { return svcPrefix + keyToken(name) }
func devKey(account string) string  { return devPrefix + keyToken(account) }

// keyToken makes any text one token of a KV key, one to one: bytes outside
// [0-9A-Za-z_-] become =XX.
func keyToken(s string) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c == '_' || c == '-' {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('=')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// keyText undoes keyToken.
func keyText(token string) (string, bool) {
	if !strings.Contains(token, "=") {
		return token, true
	}
	text, err := url.PathUnescape(strings.ReplaceAll(token, "=", "%"))
	return text, err == nil
}
