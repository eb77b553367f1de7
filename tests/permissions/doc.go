// Package permissions tries what "tandem nats-config" promises: with its keys a
// whole exchange works, one process and identity a role, and no identity can do
// what is another's.
package permissions
