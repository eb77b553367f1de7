// Package port is what everything that listens for users or operators has in
// common: a certificate in files that may be replaced while the port is open,
// and the names by which browsers may call the port.
package port
