// Package secure tries an exchange that is set up as for strangers: every port
// with a certificate, every secret one of its own. It replaces the certificates
// while calls are up, and looks for the secrets wherever something is written.
package secure
