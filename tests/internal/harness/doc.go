// Package harness runs the real binary for tests that use it from outside:
// whole exchanges in one process or in one process per role, command-line
// phones, and browsers on the softphone page. It starts and ends processes by
// their id, takes ports from the kernel, keeps every wait bounded, and shows
// what the processes logged when a test fails.
//
// It knows the binary by its command line, its ports and its page only, and
// imports no package of the exchange.
package harness
