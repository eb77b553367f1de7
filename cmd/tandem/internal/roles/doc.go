// Package roles runs the parts of a process: it starts them one after the other,
// each when the one before is ready, ends all when one fails, and drains them in
// reverse order within a limit. It does not know what the parts are.
package roles
