// Package e2e drives whole calls from outside: real browsers on the softphone
// page, a browser client of the first sylkRTC protocol, and the command-line
// phone, through the real binary, in one process and in one process per role.
// Sound is measured at both ends: each side sends a tone of its own, and the
// tone that one side sends is the tone that the other must hear.
package e2e
