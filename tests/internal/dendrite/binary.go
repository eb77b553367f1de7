package dendrite

import (
	"fmt"
	"os"
	"path/filepath"
)

// Binary finds one of Dendrite's programs (dendrite, generate-keys,
// create-account): in $TANDEM_DENDRITE, a directory, or where "make setup" keeps
// them. The error says what to do.
func Binary(name string) (string, error) {
	dir := os.Getenv("TANDEM_DENDRITE")
	if dir == "" {
		cache, err := os.UserCacheDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(cache, "tandem", "bin")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		return "", fmt.Errorf("the Matrix homeserver is missing, run 'make setup': %w", err)
	}
	return path, nil
}
