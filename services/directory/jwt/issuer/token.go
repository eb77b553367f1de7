package issuer

import (
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Token is what a token is to say. Empty fields make no claim.
type Token struct {
	// Issuer is the claim iss.
	Issuer string
	// Subject is the claim sub.
	Subject string
	// Audience is the claim aud.
	Audience []string
	// Scope is the claim scope: words with spaces between.
	Scope string
	// MSISDN is the claim msisdn: the number that a user's token is bound to.
	MSISDN string
	// Client is the claim client_id: the product that the token is for.
	Client string
	// Covers is the claim msisdns: the numbers that a product's token may act for.
	Covers []string
	// Issued is when; Lifetime how long it is valid from then.
	Issued   time.Time
	Lifetime time.Duration
}

// claims are a token's besides the registered ones.
type claims struct {
	jwt.Claims
	Scope    string   `json:"scope,omitempty"`
	MSISDN   string   `json:"msisdn,omitempty"`
	ClientID string   `json:"client_id,omitempty"`
	MSISDNs  []string `json:"msisdns,omitempty"`
}

// Issue gives the token in its compact form, signed with the first key.
func (k *Keys) Issue(t Token) (string, error) {
	if t.Lifetime <= 0 {
		return "", errors.New("a token must be valid for some time")
	}
	key := k.set.Keys[0]
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(key.Algorithm), Key: key},
		(&jose.SignerOptions{}).WithType("JWT"))
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	text, err := jwt.Signed(signer).Claims(claims{
		Claims: jwt.Claims{
			Issuer: t.Issuer, Subject: t.Subject, Audience: t.Audience, ID: rand.Text(),
			IssuedAt: jwt.NewNumericDate(t.Issued), Expiry: jwt.NewNumericDate(t.Issued.Add(t.Lifetime)),
		},
		Scope: t.Scope, MSISDN: t.MSISDN, ClientID: t.Client, MSISDNs: t.Covers,
	}).Serialize()
	if err != nil {
		return "", fmt.Errorf("signing: %w", err)
	}
	return text, nil
}
