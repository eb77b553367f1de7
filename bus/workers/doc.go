// Package workers keeps goroutines for the next piece of work: a goroutine that
// has worked before has a stack of the size that the work needs, while a new one
// grows it by copying, which for the short work of one message costs as much as
// the work. It knows nothing of what it runs.
package workers
