// Package membus is the bus in memory: a Server is the broker, each Connect one
// client of it. It behaves as natsbus does, refusals and losses included, and is
// what tests and the conformance kit run on.
//
// It never knows a message's meaning, and nothing of it survives the process.
package membus
