// Package e2ee lets users of the application service (the bot, the ghosts) take
// part in encrypted rooms: Olm and Megolm as in the Matrix specification, module
// "End-to-end encryption". It is mautrix's machine with the pure Go Olm, and
// needs the build tag "goolm"; without it New says so and nothing else is there.
//
// Each user has a device of its own, because clients refuse an event whose
// encryption is not its sender's. A device is made when it is first needed, by
// an application service's log-in. Its name follows from its keys, so that new
// keys are always a new device. Its identity (the cross-signing keys, with which
// it signs itself) follows from the secret and is the same if all else is lost.
// The homeserver gives an application service no to-device messages, so each
// device asks for its own by /sync, with a filter that leaves out everything else.
//
// Everything a device knows is kept in the adapter's store, sealed with keys that
// follow from the secret, under olm/<secret's and user's fingerprints>/. Nothing
// leaves a device before what it follows from is stored, and the homeserver
// forgets a to-device message only after what it held is stored: a node may die
// at any point and another goes on. One node serves a device at a time. Should
// two believe so, the one that writes second finds a conflict, forgets what it
// knew and reads it anew.
//
// Devices are trusted as the homeserver shows them, in both directions; nobody is
// asked to verify anything. This is the trust that a bridge's users have: who
// runs the homeserver could add a device to a user. A device's keys never change
// once seen. A session counts only for events of the user whose device sent it.
//
// The package knows nothing of calls.
package e2ee
