// Package collector takes traces by OTLP over gRPC and keeps the bytes as they come:
// what they mean does not matter to the tests that look for something in them.
package collector
