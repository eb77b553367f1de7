package matrix

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/tests/internal/dendrite"
	"github.com/tandem-rtc/tandem/tests/internal/harness"
	"github.com/tandem-rtc/tandem/tests/internal/matrixphone"
	"github.com/tandem-rtc/tandem/tests/internal/shell"
)

// What the page names.
const (
	homeserver = "http://127.0.0.1:8008"
	serverName = "localhost"
	bot        = "@tandem:localhost"
	echo       = "+12025550199"
)

// step is how long a step of a call may take on a slow and busy machine.
const step = 30 * time.Second

// root is the checkout, as seen from this folder.
const root = "../../.."

// TestFromNothingToACall follows the page.
func TestFromNothingToACall(t *testing.T) {
	steps := blocks(t)
	const known = 7 // build, registration, homeserver, Tandem, account, call, end
	if len(steps) != known {
		t.Fatalf("the page has %d blocks of commands, this test knows %d", len(steps), known)
	}
	sh := shell.New(t, shell.Options{Dir: checkout(t)})
	for _, s := range steps[:5] {
		if _, err := sh.Try(s, 20*time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	server := dendrite.At(t, homeserver, serverName)
	mary := server.SignIn(t, "mary", "correct-horse")
	phone := open(t, server, mary)

	line := mary.CreateRoom(t, dendrite.Room{Invite: []string{bot}, Direct: true})
	harness.Eventually(t, step, "the bot comes in", func() (bool, string) {
		in := strings.Join(mary.Joined(t, line), " ")
		return strings.Contains(in, bot), in
	})

	phone.DialNumber(echo)
	phone.AwaitState(step, "established")
	phone.AwaitTone(phone.Tone())
	phone.HangUp()
	phone.AwaitEnded(step, "local: user_hangup")

	type said struct {
		out string
		err error
	}
	called := make(chan said, 1)
	go func() {
		out, err := sh.Try(steps[5], 2*time.Minute)
		called <- said{out, err}
	}()
	phone.AwaitState(step, "incoming")
	if got := phone.Peer(); got != "Carol" {
		t.Errorf("the line shows %q", got)
	}
	phone.Answer(false)
	if s := <-called; s.err != nil {
		t.Errorf("the phone of the shell: %v", s.err)
	}
	if _, err := sh.Try(steps[6], time.Minute); err != nil {
		t.Error(err)
	}
}

// blocks gives the page's blocks of commands.
func blocks(t *testing.T) (out []string) {
	t.Helper()
	page, err := os.ReadFile(filepath.Join(root, "docs", "matrix.md"))
	if err != nil {
		t.Fatal(err)
	}
	for i, part := range strings.Split(string(page), "\n```") {
		if block, ok := strings.CutPrefix(part, "sh\n"); ok && i%2 == 1 {
			out = append(out, block)
		}
	}
	return out
}

// checkout gives a copy of the repository as it is.
func checkout(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bash", "-c",
		`git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$0"`, dir)
	cmd.Dir = root
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("copying the checkout: %v\n%s", err, out)
	}
	return dir
}

// open opens a Matrix client.
func open(t *testing.T, server *dendrite.Server, user *dendrite.User) *matrixphone.Phone {
	t.Helper()
	site, err := matrixphone.NewSite(context.Background(), "../../internal/matrixphone")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(site.Close)
	b, err := harness.NewBrowser(t.TempDir(), 440)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return site.Open(t, b, server, user, matrixphone.Options{})
}
