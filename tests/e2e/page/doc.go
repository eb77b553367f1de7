// Package page checks the softphone page's sources with what their own module
// does without: the TypeScript compiler for their types, which bundling drops,
// and Node for the tests of their modules. The compiler is installed once, into
// the user's cache.
package page
