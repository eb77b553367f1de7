// Package crds finds the definitions of the kinds that the chart uses and Kubernetes
// does not have itself: those of the Gateway API and of the Prometheus operator, as
// their Go modules hold them.
package crds
