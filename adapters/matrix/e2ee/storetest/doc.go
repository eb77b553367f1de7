// Package storetest has an adapter's store in memory that can fail, for tests of
// what must survive a node.
package storetest
