// Package docs tests what the documentation tells its reader to do: the adapter
// of the tutorial is built and passes, command lines exist, configurations are
// valid.
package docs
