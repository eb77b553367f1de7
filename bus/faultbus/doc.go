// Package faultbus wraps a driver of the bus with hooks around what it sends,
// for tests that lose messages or kill a process at a chosen moment.
//
// It is for tests only and knows no message's meaning.
package faultbus
