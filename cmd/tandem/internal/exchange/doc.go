// Package exchange puts the exchange together: out of a configuration it makes
// the roles that a process takes, each with its own identity on the bus, and
// what they need of each other. It is the one place that knows all of them.
package exchange
