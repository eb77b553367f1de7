// Package matrixtest is a small Matrix client for tests: one device of a user, over
// the client-server API, with one-to-one calls in version 0 or 1.
//
// It says and hears what a client does and knows nothing of media: session
// descriptions are texts that its caller makes. What it is sent of calls is held
// against the specification (Complaints). It shares nothing with the adapter that it
// is a peer of. It is not made for use outside tests: it forgets no call.
package matrixtest
