// Package bridge forwards media between two legs, both ways, without decoding
// it: payload types and forwarded header extensions are rewritten to the other
// leg's, streams stay continuous when their source changes, and what must cross
// crosses (key frame requests, sender reports, bandwidth). Loss is repaired on
// each leg by itself.
//
// It must never know of an engine, of session descriptions' text, of calls or
// of the bus.
package bridge
