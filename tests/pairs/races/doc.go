// Package races has terminals do two things at the same moment, a thousand times
// each, and requires exactly one outcome on which everybody agrees.
package races
