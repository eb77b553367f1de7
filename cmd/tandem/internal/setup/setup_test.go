package setup

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// lay makes the directories of roles.
func lay(t *testing.T, roles ...string) string {
	t.Helper()
	dir := t.TempDir()
	for _, r := range roles {
		if err := os.Mkdir(filepath.Join(dir, r), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func run(t *testing.T, dir, seed string, servers ...string) map[string]string {
	t.Helper()
	o := Options{Dir: dir, Kinds: []string{"pipe", "ws"}, Servers: servers, Owner: os.Getuid(), Seed: []byte(seed)}
	if err := Run(o); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		files[strings.TrimPrefix(path, dir+"/")] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestEachRoleGetsItsOwn(t *testing.T) {
	files := run(t, lay(t, "nats", "directory", "callstate", "media", "console", "ws"), "")
	var got []string
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasPrefix(name, "keep/") {
			got = append(got, name)
		}
	}
	want := []string{
		"callstate/admin-token", "callstate/cluster", "callstate/nats/admin.nk", "callstate/nats/callstate.nk",
		"console/admin-token",
		"directory/admin-token", "directory/cluster", "directory/nats/directory.nk",
		"media/admin-token", "media/nats/media.nk",
		"nats/accounts.conf", "nats/nats.conf",
		"ws/admin-token", "ws/cluster", "ws/nats/ws.nk",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if a, b := files["ws/cluster"], files["callstate/cluster"]; a != b || len(a) < 50 {
		t.Errorf("cluster secrets %q and %q", a, b)
	}
	if files["ws/cluster"] == files["ws/admin-token"] {
		t.Error("one secret for two things")
	}
	// The servers know public keys and hashes only.
	for name, secret := range files {
		if filepath.Ext(name) == ".nk" && strings.Contains(files["nats/nats.conf"]+files["nats/accounts.conf"], strings.TrimSpace(secret)) {
			t.Errorf("the servers are told %s", name)
		}
	}
}

func TestRepeated(t *testing.T) {
	dir := lay(t, "nats", "directory", "ws")
	first := run(t, dir, "", "nats-1", "nats-2", "nats-3")
	second := run(t, dir, "", "nats-1", "nats-2", "nats-3", "nats-4", "nats-5")
	for name, secret := range first {
		if name := filepath.Base(name); name == "nats.conf" || name == "accounts.conf" {
			continue
		}
		if second[name] != secret {
			t.Errorf("%s changed", name)
		}
	}
	if strings.Contains(first["nats/nats.conf"], "@nats-5:6222") || !strings.Contains(second["nats/nats.conf"], "@nats-5:6222") {
		t.Errorf("servers of three:\n%s\nof five:\n%s", first["nats/nats.conf"], second["nats/nats.conf"])
	}
	if alone := run(t, lay(t, "nats"), "")["nats/nats.conf"]; strings.Contains(alone, "routes") {
		t.Errorf("one server:\n%s", alone)
	}
	info, err := os.Stat(filepath.Join(dir, "ws/nats/ws.nk"))
	if err != nil || info.Mode().Perm() != 0o400 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// Pods that know the seed agree without talking to each other.
func TestSeed(t *testing.T) {
	seed := strings.Repeat("0123456789abcdef", 2)
	all := run(t, lay(t, "nats", "directory", "callstate", "media", "console", "ws", "pipe"), seed)
	secrets := map[string]string{}
	for name, text := range all {
		if !strings.HasPrefix(name, "keep/") || strings.HasSuffix(name, ".conf") {
			continue
		}
		if other, twice := secrets[text]; twice {
			t.Errorf("%s and %s are the same", name, other)
		}
		secrets[text] = name
		if len(text) < 50 || strings.Contains(text, seed) {
			t.Errorf("%s is %q", name, text)
		}
	}
	for _, role := range []string{"nats", "directory", "ws"} {
		alone := run(t, lay(t, role), seed)
		for name, text := range alone {
			if all[name] != text {
				t.Errorf("%s differs where %s is alone", name, role)
			}
		}
	}
	if other := run(t, lay(t, "ws"), strings.ToUpper(seed)); other["ws/nats/ws.nk"] == all["ws/nats/ws.nk"] {
		t.Error("another seed makes the same identity")
	}
	if err := Run(Options{Dir: lay(t), Seed: []byte("short"), Owner: -1}); err == nil {
		t.Error("a short seed was taken")
	}
}

func TestMatrix(t *testing.T) {
	dir := lay(t, "matrix", "homeserver", "callstate")
	var last string
	for _, registration := range []string{"first", "second"} {
		if err := Run(Options{Dir: dir, Kinds: []string{"matrix"}, Owner: -1, Registration: registration}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"matrix/registration.yaml", "homeserver/registration.yaml"} {
			if data, err := os.ReadFile(filepath.Join(dir, name)); err != nil || string(data) != "first" {
				t.Errorf("%s: %q, %v", name, data, err)
			}
		}
		accounts, err := os.ReadFile(filepath.Join(dir, "homeserver/accounts"))
		if err != nil || len(accounts) < 50 || last != "" && last != string(accounts) {
			t.Errorf("accounts: %q, %v", accounts, err)
		}
		last = string(accounts)
	}
	for _, name := range []string{"callstate/registration.yaml", "matrix/accounts", "homeserver/cluster"} {
		if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
}

func TestRefused(t *testing.T) {
	dir := lay(t)
	if err := os.WriteFile(filepath.Join(dir, "keep"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Run(Options{Dir: dir, Owner: -1}); err == nil {
		t.Error("a file where secrets should be kept was taken")
	}
}
