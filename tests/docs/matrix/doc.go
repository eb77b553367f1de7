// Package matrix follows docs/matrix.md, from nothing to a call, word for word: its
// commands in a shell, and a Matrix client in a browser for what people do.
package matrix
