// Package k8s installs the Helm chart on a real Kubernetes with three NATS nodes and
// two pods of each role, and a Matrix homeserver beside it. It places calls with media
// from outside the cluster through its services, deletes pods of every role and places
// calls again, evicts pods against their disruption budget, and scans every role's
// pods for open ports. Then the release is changed: TLS in the pods, media by load
// balancers and by the host's network, and NATS outside the cluster. The API server
// also looks at everything that the chart's golden files hold.
//
// It is run by "make test-k8s", not by "make test": building Kubernetes takes many
// minutes the first time, and it needs root.
package k8s
