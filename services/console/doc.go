// Package console serves the softphone page: static files, embedded, and the
// small configuration that the page reads. The page is a sylkRTC-2 client like
// any other; this package knows nothing of calls, of the bus or of the gateway
// that the page connects to, and it holds no account but the public demo ones
// it is told to offer.
//
// The page's sources are in web/; "go generate" bundles them into dist/.
package console

//go:generate go run ./internal/build
