// Package callstate owns calls: the one writer of a call's record.
//
// A node takes partitions by lease and serves their commands. For each command
// it asks the media node for its part, runs the pure transition of package
// step, commits the record with compare-and-set, and only then answers the
// command and lets events out. Events are resent until acknowledged; deadlines
// stand in the record; a restarted node finds its calls in the journal.
//
// It knows no protocol of a terminal, no credentials, and no media beyond the
// media commands of the schema.
package callstate
