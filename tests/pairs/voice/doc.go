// Package voice is the media of a test's terminals: a PeerConnection that says who
// it is in every packet it sends, or, where no media flows, descriptions alone.
//
// It knows no signaling protocol; descriptions go in and come out.
package voice
