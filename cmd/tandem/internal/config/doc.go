// Package config is the configuration of the tandem binary: what there is, its
// defaults, and how it comes together from a YAML file, the environment and
// flags, in that order, the later one winning.
//
// Keys are strict: one that does not exist is an error with its path. Every key
// has a "doc" tag; the reference, the environment's names and the flags all
// come from the same structs by reflection, the adapters' own included. The
// package starts nothing and knows no role's inside.
package config
