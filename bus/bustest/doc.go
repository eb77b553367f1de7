// Package bustest is the one suite that every driver of the bus passes: each
// sentence of bus.Driver's contract and of the bus's rules is a case with a name.
//
// It knows drivers by their interface only; what a driver adds of its own (a
// limit, an inbox) is tested beside that driver.
package bustest
