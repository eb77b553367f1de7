// Package issuer makes signed tokens for development and tests, with keys that
// it keeps in a file: what an identity provider does in production.
//
// It knows no subscriber and checks nothing: whoever has the file can be anybody
// where its keys are trusted.
package issuer
