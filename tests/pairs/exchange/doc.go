// Package exchange runs a whole exchange inside a test: the real directory, call
// state and adapters' hosts, each on a bus connection of its own, with the adapters
// of all protocols side by side, and either real media or the stub engine. Many
// tests share one, each with subscribers of its own.
//
// It knows how the parts are put together, and nothing of calls.
package exchange
