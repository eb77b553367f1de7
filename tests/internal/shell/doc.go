// Package shell types a document's commands into a shell, as a person would who
// follows it: in one shell, block after block, with what runs in the background
// left to run. A shell may be on a machine of its own, with its own network, names
// and addresses, so that commands can be typed with the ports that the document has.
package shell
