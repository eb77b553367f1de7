// Package jwt checks signed bearer tokens (RFC 7519, with the advice of RFC
// 8725) for the directory: JWTs signed with RS256 or ES256 by a key that their
// issuer publishes (RFC 7517).
//
// It says what a token says, and knows no subscriber: whom the claims name is
// the directory's to find out. Tokens and keys never reach a log line or an
// error.
package jwt
