package deploy

import (
	"os"
	"strings"
	"testing"
)

const backupTitle = "### Backup of the compose deployment"

// guideBlocks gives the commands that the guide shows in one of its parts.
func guideBlocks(t *testing.T, title string) (blocks []string) {
	t.Helper()
	text, err := os.ReadFile(guide)
	if err != nil {
		t.Fatal(err)
	}
	_, below, found := strings.Cut(string(text), "\n"+title+"\n")
	if !found {
		t.Fatalf("%s has no %q", guide, title)
	}
	below, _, _ = strings.Cut(below, "\n#")
	for i, part := range strings.Split(below, "\n```") {
		if script, ok := strings.CutPrefix(part, "sh\n"); ok && i%2 == 1 {
			blocks = append(blocks, script+"\n")
		}
	}
	return blocks
}

// moved backs the deployment up, forgets it, and restores it as an operator would
// on another machine, all with the guide's own commands.
func (p *project) moved(t *testing.T) {
	t.Helper()
	blocks := guideBlocks(t, backupTitle)
	if len(blocks) != 2 {
		t.Fatalf("not a backup and a restoration: %q", blocks)
	}
	// The archive's name is relative; ours goes where this test's files are.
	in := func(script string) string {
		return strings.ReplaceAll(script, "tandem-backup.tar.gz", "\"$BACKUP_DIR\"/tandem-backup.tar.gz")
	}
	p.env = append(p.env, "BACKUP_DIR="+t.TempDir())
	p.shell(t, in(blocks[0]))
	p.shell(t, "docker compose down --volumes")
	p.shell(t, in(blocks[1]))
}
