// Package webhook posts signed JSON to the operator's HTTP server: with a limit
// on time and tries, and without following it elsewhere.
//
// It knows nothing of what it carries.
package webhook
