// Package callspec is what the Matrix specification asks of call events, as a
// table: which fields each has, of which types, in which call version. Tests hold
// what is sent against it.
//
// It is written out from the specification's module "Voice over IP" and knows no
// homeserver and no client.
package callspec
