// Package lab runs a real Kubernetes on this machine: API server, controllers,
// scheduler, kubelet with containerd, kube-proxy and CoreDNS, as plain processes.
// The programs are built from the Go modules that they are released as, etcd,
// containerd and the network plugins come from Debian; no registry is needed.
//
// It has one node, one address range for pods, and no load balancers, volumes or
// network policies. It needs root.
package lab
