package setup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
)

// clustered finds the part of a server's configuration that one alone has not.
var clustered = regexp.MustCompile(`(?m)^cluster \{`)

// checkNodes refuses to make one NATS server alone a cluster, and the other way
// round: neither takes over what the other has stored, and a cluster removes it.
func checkNodes(identities string, servers []string) error {
	was, err := os.ReadFile(filepath.Join(identities, "nats.conf"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil // the first run
	}
	if err != nil {
		return fmt.Errorf("what the NATS servers were: %w", err)
	}
	if clustered.Match(was) == (len(servers) > 1) {
		return nil
	}
	before, now := "one server alone", "a cluster"
	if len(servers) <= 1 {
		before, now = now, before
	}
	return fmt.Errorf("TANDEM_NATS_NODES: NATS was %s and would be %s, which loses all that is stored: leave it as it was, or begin with new volumes (docker compose down --volumes)", before, now)
}
