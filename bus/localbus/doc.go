// Package localbus shortens the way between roles of one process: a request
// whose server is in the same process is handed over directly, without passing
// through the broker. Everything else, and everything stored, goes to the
// driver beneath.
//
// Tandem's subjects name one server each (a partition's owner, an adapter node,
// a media node), so a local server is the only one there is. A subject with
// several local servers goes through the broker, which knows how to choose, and
// so do publications, whose order the broker keeps.
package localbus
