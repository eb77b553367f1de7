// Package lint holds the repository's rules as tests: what may import what, how
// files look, and that generated code, modules and links are in order. Each
// failure says why the rule is there.
//
// The rules look at tracked files only, so work in progress disturbs nobody.
// It must never know what the packages do, only how they are built.
package lint
