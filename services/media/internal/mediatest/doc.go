// Package mediatest has what this module's tests share: a terminal that is a
// pion PeerConnection on a port of its own, and packets to send from it.
package mediatest
