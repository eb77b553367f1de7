// Package leg is the seam between the media service and an engine: what one
// terminal's media session takes and gives.
//
// A Leg takes and gives session descriptions, packets, signals and statistics,
// and its State can be exported and a leg made of one. The service and the
// bridge know only this package; an engine (pionleg) implements it. Nothing here
// may name an engine's types.
package leg
