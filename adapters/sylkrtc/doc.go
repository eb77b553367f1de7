// Package sylkrtc is the adapter for sylkRTC clients: JSON over WebSocket, in
// both subprotocols that exist, sylkRTC-1 (2015 to 2017) and sylkRTC-2.
//
// A connection holds accounts; an account that registers is a terminal where
// calls ring; a session is a leg as its client names it. Requests of one
// connection are carried out in the order they came, each is answered by
// exactly one ack or error, and what follows from a request is told after its
// ack. Connections never wait for each other.
//
// The package never knows a password or whether one is right (the directory
// does), what a call is beyond its leg's state (call state does), and nothing
// of media but the text of a session description.
package sylkrtc
