// Package encryption tests that users of an application service take part in
// encrypted rooms of a real homeserver, with mautrix's own machine as the client
// of the user on the other side.
package encryption
