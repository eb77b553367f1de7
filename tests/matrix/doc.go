// Package matrix drives calls between Matrix users and everybody else from
// outside: a real homeserver, real Matrix clients and softphone pages in real
// browsers, the command-line phone, and the real binary. Sound is measured at both
// ends, as in package e2e.
package matrix
