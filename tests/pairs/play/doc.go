// Package play plays a scenario: each terminal of the cast is a client of a real
// wire, does what its lines say and must hear what they say, no less and no more;
// then the journal must say the same.
//
// It knows what each protocol cannot say, and how it says the rest.
package play
