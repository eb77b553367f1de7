// Package attempts bounds how often secrets may be guessed.
package attempts
