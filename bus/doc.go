// Package bus is the exchange's bus as the rest of Tandem sees it: commands to
// the owner of a call, acknowledged events to an adapter node, signals, media
// commands, questions to the directory, records with compare-and-set, leases,
// liveness and the table of terminals.
//
// Bus is the typed, portable half. A Driver is the small interface that a
// transport implements: bus/membus in memory, bus/natsbus on NATS. bus/bustest
// runs every driver through the same cases. Only natsbus imports nats.go.
package bus
