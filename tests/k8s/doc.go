// Package k8s installs the Helm chart on a real Kubernetes with three NATS nodes and
// two pods of each role, places calls with media from outside the cluster through
// its services, deletes pods of every role and places calls again, evicts pods
// against their disruption budget, and scans every role's pods for open ports.
//
// It is run by "make test-k8s", not by "make test": building Kubernetes takes many
// minutes the first time, and it needs root.
package k8s
