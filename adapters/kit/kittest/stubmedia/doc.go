// Package stubmedia is a media node without media, for tests and benchmarks of
// signaling: it serves media commands as the schema says, refuses what comes out
// of order, makes small valid descriptions, and reports legs as connected once
// both their descriptions are known. It costs a few microseconds a command.
//
// It knows no pion, and no packet ever flows.
package stubmedia
