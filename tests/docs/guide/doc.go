// Package guide follows README.md and docs/operating.md word for word: it types
// their commands, with the files that they show, into shells on machines of their
// own, where the ports, names and addresses of the documents are free. What needs
// Docker or Kubernetes is in deploy/ and k8s/.
package guide
