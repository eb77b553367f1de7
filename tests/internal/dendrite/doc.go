// Package dendrite runs a real Matrix homeserver for tests: Dendrite, which
// 'make setup' builds into the user's cache. A server has data of its own in a
// test's directory and listens on loopback only; it knows no other server.
//
// It also holds the little of the client-server API that tests need to prepare
// what they are about: users, rooms, members, events.
package dendrite
