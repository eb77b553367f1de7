// Package homeserver is a small Matrix homeserver in memory for tests: users,
// rooms of a few, events in order, /sync, and application services whose
// transactions are delivered in order until they are taken. It behaves like
// Dendrite where that matters to an application service: events have no age, and
// what was sent before one of its users had joined a room is not pushed.
//
// Tests make it fail as real ones do (Limit, Away, Repeat, Hold), see every event
// that was sent (Events), and are told which of those that an application service
// sent are not as the specification has them (Complaints).
//
// It is not made for use outside tests: it forgets nothing, checks hardly who may
// do what, and has no encryption and no federation.
package homeserver
