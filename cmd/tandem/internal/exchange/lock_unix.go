//go:build unix

package exchange

import (
	"os"
	"syscall"
)

// lockFile takes the file for this process, or fails at once. The lock ends
// with the process, however that ends.
func lockFile(f *os.File) error {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) //nolint:wrapcheck // the caller says what for
}
