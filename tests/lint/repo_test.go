package lint

import (
	"sync"
	"testing"
)

var loaded = sync.OnceValues(Load)

// repo loads the repository, once for all tests.
func repo(t *testing.T) *Repo {
	t.Helper()
	r, err := loaded()
	if err != nil {
		t.Fatal(err)
	}
	return r
}
