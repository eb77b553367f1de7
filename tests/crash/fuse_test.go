package crash_test

import (
	"bufio"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
)

// fuse kills its process at a point: the n-th, or the one of a name.
type fuse struct {
	mu     sync.Mutex
	at     int
	name   string
	passed []string
}

// newFuse makes one that dies at the point that the environment numbers, until its
// standard input names another one ("never" for none). Its answer there is what was
// passed so far.
func newFuse() (*fuse, error) {
	at, err := strconv.Atoi(os.Getenv(envPoint))
	if err != nil {
		return nil, err
	}
	f := &fuse{at: at}
	go func() { // ends with the process, which ends with the test
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			f.rearm(lines.Text())
		}
		os.Exit(1)
	}()
	return f, nil
}

func (f *fuse) rearm(name string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	fmt.Println("passed", strings.Join(f.passed, ";"))
	f.at, f.name, f.passed = 0, name, nil
}

// point is somewhere to die. Its name is what happens there, and for the how manyeth
// time.
func (f *fuse) point(what string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := 1
	for _, p := range f.passed {
		if before, _, _ := strings.Cut(p, " #"); before == what {
			n++
		}
	}
	name := fmt.Sprint(what, " #", n)
	f.passed = append(f.passed, name)
	if len(f.passed) == f.at || name == f.name {
		fmt.Println("dies", what)
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing after it may happen
	}
}
