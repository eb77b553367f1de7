// Package loopbacktest is a terminal of the loopback wire for tests, as the
// conformance kit wants it. It reports what it hears, without an idea of what would
// be right.
package loopbacktest
