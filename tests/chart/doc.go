// Package chart checks the Helm chart without a cluster: that it is linted, what it
// renders for a table of values, that every object fits Kubernetes' own schemas,
// that nonsense is refused with a clear message, and that every pod keeps to what
// the restricted PodSecurity standard asks for.
//
// "go test ./tests/chart -update" writes testdata/*.golden anew.
package chart
