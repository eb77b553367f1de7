// Package sylkrtctest is a small sylkRTC client for tests, in both versions of
// the protocol.
//
// It says and hears what a terminal does and knows nothing of media: session
// descriptions are texts that its caller makes. It is not made for use outside
// tests: what it hears and nobody asks for is kept for ever. Kit makes a client the
// conformance kit's, and Rings lets a test say when a called one alerts.
package sylkrtctest
