// Package step is the call's state machine: pure functions from a call record
// and a command to the next record.
//
// Plan says what the media node must contribute, Step makes the transition.
// Neither does I/O, reads a clock or keeps anything: the owner (package
// callstate) carries out what they say, and commits before anything is visible.
// The transitions are the rows of table.go.
package step
