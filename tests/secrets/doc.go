// Package secrets looks for secrets where none may be: an exchange is given many,
// uses all of them, is told wrong ones, and everything that it says is searched.
package secrets
