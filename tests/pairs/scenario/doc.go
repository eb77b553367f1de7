// Package scenario reads the files in schema/testdata/scenarios: what terminals
// do and hear in one situation, in canonical terms. The README there describes
// the format; this package is its only reader.
//
// It knows no protocol and runs nothing.
package scenario
