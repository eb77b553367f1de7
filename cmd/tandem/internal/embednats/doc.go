// Package embednats runs the NATS server inside the tandem process: JetStream on
// a directory, in-process connections, and a port only when one is asked for. It
// knows nothing of what is stored or said on it.
package embednats
