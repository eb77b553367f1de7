// Package media is the media service: it terminates each terminal's media and
// bridges the legs of a call.
//
// A node carries out the media commands of call state on the bus. A command is
// bound to a leg's revision by its id, so that a repeated one gets the same
// answer and two owners cannot both decide; legs that no owner commits to expire.
// Commands of one call are carried out one after the other, different calls
// independently, and nothing waits for another call. What happens to a leg's
// transport goes to the call's owner as a command, repeated until it is answered.
//
// It must never know of terminals' protocols, of subscribers, or of what a call
// is doing; nor of an engine's types, which stay behind the leg package's seam.
package media
