// Package authority issues the certificates of a test's ports, into files that it
// replaces as an operator does.
package authority
