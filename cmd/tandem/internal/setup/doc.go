// Package setup makes the secrets of an installation whose roles run in
// containers of their own, and gives each role what it needs and no more.
package setup
