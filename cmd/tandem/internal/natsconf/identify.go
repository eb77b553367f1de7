package natsconf

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/tandem-rtc/tandem/bus/natsbus"
)

// AccountsFile gives the accounts in a directory that Write wrote; empty for no
// directory.
func AccountsFile(dir string) string {
	if dir == "" {
		return ""
	}
	return filepath.Join(dir, accountsFile)
}

// Has reports whether a directory has the identity of a role's node.
func Has(dir, role, node string) bool {
	_, ok := find(dir, role, node)
	return ok
}

// find gives the file of an identity: the node's own, or the role's.
func find(dir, role, node string) (path string, ok bool) {
	for _, name := range []string{role + "." + node, role} {
		for _, ending := range []string{seedEnding, passwordEnding} {
			path := filepath.Join(dir, name+ending)
			if _, err := os.Stat(path); err == nil {
				return path, true
			}
		}
	}
	return "", false
}

// Identify has a connection of a kind and node use its identity from a directory
// that Write wrote, and only what that identity may use.
func Identify(c *natsbus.Config, dir string) error {
	path, ok := find(dir, c.Kind, c.Node)
	if !ok {
		return fmt.Errorf("nats.identities: %s has no %s%s", dir, c.Kind, seedEnding)
	}
	if name, is := strings.CutSuffix(filepath.Base(path), passwordEnding); is {
		secret, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("nats.identities: %w", err)
		}
		c.User, c.Password = name, strings.TrimSpace(string(secret))
	} else {
		c.NKeySeedFile = path
	}
	c.Foreign, c.APIPrefix = Foreign(c.Kind), APIPrefix(c.Kind)
	return nil
}
