//go:build unix

package exchange

import "syscall"

// openFiles is how many files this process may have open; 0 if that is not known.
func openFiles() int {
	var limit syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<30)) //nolint:gosec,unconvert // bounded; its type is the system's
}
