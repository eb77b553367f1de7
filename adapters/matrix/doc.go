// Package matrix is the adapter for Matrix rooms: one-to-one calls by m.call.*
// events (Matrix specification, module "Voice over IP", call versions 0 and 1),
// spoken as an application service of one homeserver.
//
// A Matrix user is a subscriber, and one terminal, however many devices it has:
// they fork inside Matrix. Whoever is not on Matrix appears there as a ghost, a
// user of the application service's namespace. A user talks to a ghost in a room
// of the two, a portal; a line, the room of the user and the bot, takes the calls
// of callers with whom the user has no portal.
//
// The homeserver's transactions are answered only after the owners of the calls
// have committed what was in them; what is sent has transaction ids that follow
// from leg and event number. So either side may repeat anything. Of several nodes
// one serves at a time, by lease.
//
// The package never decides who a user is (the homeserver and the directory do),
// what a call is beyond its leg's state (call state does), and knows nothing of
// media but the text of a session description.
package matrix
