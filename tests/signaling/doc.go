// Package signaling measures what a call costs in signaling: kit, bus, call
// state and directory, with a media engine that only describes.
package signaling
