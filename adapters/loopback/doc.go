// Package loopback is the reference adapter, and the template of a new one. Its
// wire is a pair of channels in this process, its protocol the smallest that can
// say all that a call needs: sign in, call, ring, answer, hang up, and what
// comes of it. It is laid out as every adapter is: wire.go has the protocol's
// messages, translate.go the pure translation both ways, session.go one peer,
// adapter.go the contract, conformance_test.go the call of the kit.
//
// It knows no bus and no other adapter.
package loopback
