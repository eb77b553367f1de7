// Package table writes down how scenarios went between all pairs of protocols, as
// docs/pairs.md.
package table
