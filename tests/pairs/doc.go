// Package pairs plays every scenario of schema/testdata/scenarios for every ordered
// pair of protocols, with clients of the real wires, and keeps docs/pairs.md, which
// says how that went.
package pairs
