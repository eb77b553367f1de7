// Package natsbus is the bus on NATS 2.12 or newer with JetStream: core requests
// through one inbox of the identity's own, records in the stream CALLS, buckets
// as NATS key-value stores. It works on a server in the same process and on a
// cluster alike.
//
// It never knows a message's meaning, and it never guesses the outcome of a
// write.
package natsbus
