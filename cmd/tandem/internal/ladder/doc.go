// Package ladder writes a call's record as text that a stranger can follow: who
// called whom, how it went, and who said what to whom, when. It knows the
// record's messages and nothing of where they come from.
package ladder
