// Package kit is the contract between a protocol adapter and the exchange, and
// the host that runs an adapter over the bus.
//
// An adapter translates: wire to canonical command (Host.Accept, Host.Signal),
// canonical event to wire (Adapter.Deliver). It keeps connections, not calls.
// Retries, numbering, ordering, deduplication, replay, metrics and traces are
// the host's.
//
// The order is always: receive from the peer, have the command committed, only
// then acknowledge to the peer; and then events that follow from it.
package kit
