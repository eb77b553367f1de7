package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/tandem-rtc/tandem/adapters/matrix/e2ee"
)

// release and commit are set where a release or an image is built: -ldflags "-X
// main.release=v1.2.3 -X main.commit=0123abcd". Without them the commit is what
// Go found.
var release, commit string

type versionCmd struct{}

// Run implements the command.
func (versionCmd) Run() error {
	encryption := "without Matrix encryption (-tags goolm)"
	if e2ee.Built {
		encryption = "with Matrix encryption"
	}
	fmt.Printf("tandem %s %s %s/%s, %s\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH, encryption)
	return nil
}

// version is the release, or the commit it was built from.
func version() string {
	from, dirty := short(commit), ""
	if info, ok := debug.ReadBuildInfo(); ok && from == "" {
		for _, s := range info.Settings {
			switch s.Key {
			case "vcs.revision":
				from = short(s.Value)
			case "vcs.modified":
				if s.Value == "true" {
					dirty = "+"
				}
			}
		}
	}
	switch {
	case release != "" && commit != "":
		return release + " (" + from + ")"
	case release != "":
		return release
	case from == "":
		return "devel"
	}
	return "devel-" + from + dirty
}

// short is as much of a commit as people read.
func short(commit string) string { return commit[:min(12, len(commit))] }
