// Package types checks the types of the softphone page's sources. Bundling does
// not: it drops them. The compiler is installed once, into the user's cache.
package types
