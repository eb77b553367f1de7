// Package directory is the exchange's book of subscribers: who they are, which
// addresses name them, and what proves that a peer is one of them.
//
// It answers questions over the bus: who presented these credentials, whom does
// this address name, is this domain served here, which address is somebody's
// phone. It remembers devices that can be woken, and has the operator's web hook
// wake them. Everything lives in the KV bucket "directory", which any number of
// directory nodes share; each keeps a copy in memory by watching the bucket, and
// answers from that copy.
//
// Credentials come in and never leave: only an HA1 or a token's SHA-256 is
// stored, and neither is put into a reply or a log line. Signed tokens are checked
// by a TokenVerifier, such as package jwt's. The package knows no protocol of a
// terminal, no call and no media, and imports no driver.
package directory
