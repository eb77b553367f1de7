package lint

import (
	"fmt"
	"path"
	"strings"
)

// Module is the root module's path.
const Module = "github.com/tandem-rtc/tandem"

// Boundary bans imports. Paths are prefixes of whole elements.
type Boundary struct {
	// Reason ends the failure message.
	Reason string
	// In are the directories it holds for; none means all.
	In []string
	// But are directories below In that are spared.
	But []string
	// Ban are import paths; those that begin with "/" are of this repository.
	Ban []string
	// Except are import paths below Ban that are allowed.
	Except []string
	// SpareTests lets _test.go files import what is banned.
	SpareTests bool
	// Only turns it round: everything but the standard library and Except is
	// banned.
	Only bool
}

const protobuf = "google.golang.org/protobuf"

// Boundaries are the borders between the repository's parts.
func Boundaries() []Boundary {
	return []Boundary{
		{
			Reason: "everybody imports the schema, so it may cost nobody a dependency",
			In:     []string{"schema"},
			Only:   true, Except: []string{protobuf, "/schema"},
		},
		{
			Reason: "the bus is below everything that speaks over it",
			In:     []string{"bus"},
			Ban:    []string{"/adapters", "/services", "/cmd"},
		},
		{
			Reason: "one package knows the transport, so that the bus in memory is always as good",
			But:    []string{"bus/natsbus", "cmd", "tests"},
			Ban:    []string{"github.com/nats-io", "/bus/natsbus"},
		},
		{
			Reason: "a server inside a library would be everybody's dependency: clusters bring their own",
			But:    []string{"cmd", "tests"},
			Ban:    []string{"github.com/nats-io/nats-server"},
		},
		{
			Reason: "the adapter contract is what out-of-tree adapters compile: it must stay small and know no service",
			In:     []string{"adapters/kit"}, But: []string{"adapters/kit/kittest"},
			Ban: []string{"/services", "/bus/natsbus", "github.com/nats-io"},
		},
		{
			Reason: "adapters meet other adapters and services on the bus, so that each can run in a process of its own",
			In:     []string{"adapters"}, But: []string{"adapters/kit"},
			Ban: []string{"/services", "/adapters"}, Except: []string{"/adapters/kit", "."},
			SpareTests: true, // which run against the real call state
		},
		{
			Reason: "metrics and traces are the host's, so that every adapter is measured alike",
			In:     []string{"adapters"}, But: []string{"adapters/kit"},
			Ban: []string{"github.com/prometheus", "go.opentelemetry.io"},
		},
		{
			Reason: "services meet on the bus, so that each can run in a process of its own",
			In:     []string{"services"},
			Ban:    []string{"/services", "/adapters"}, Except: []string{".", "/adapters/kit"},
			SpareTests: true,
		},
		{
			Reason: "call state decides and media carries: a call's owner must run where no media does",
			In:     []string{"services/callstate"},
			Ban:    []string{"github.com/pion", "/services/media"},
		},
		{
			Reason: "one module carries each heavy dependency, so that nobody else pays for it",
			But:    []string{"services/media", "cmd", "tests"},
			Ban:    []string{"github.com/pion"},
		},
		{
			Reason: "one module carries each heavy dependency, so that nobody else pays for it",
			But:    []string{"adapters/grpcpipe", "cmd", "tests"},
			Ban:    []string{"google.golang.org/grpc"},
		},
		{
			Reason: "one module carries each heavy dependency, so that nobody else pays for it",
			But:    []string{"adapters/sylkrtc", "cmd", "tests"},
			Ban:    []string{"github.com/coder/websocket"},
		},
		{
			Reason: "one module carries each heavy dependency, so that nobody else pays for it",
			But:    []string{"services/console", "cmd", "tests"},
			Ban:    []string{"github.com/evanw/esbuild"},
		},
		{
			Reason: "one module carries each heavy dependency, so that nobody else pays for it",
			But:    []string{"services/directory/jwt", "cmd", "tests"},
			Ban:    []string{"github.com/go-jose"},
		},
		{
			Reason: "the bus tells a tracer of calls; what becomes of that is the command's business",
			But:    []string{"cmd", "tests"},
			Ban:    []string{"go.opentelemetry.io"},
		},
		{
			Reason: "the command puts the parts together; a part that needed it could not be used without it",
			But:    []string{"cmd", "tests"},
			Ban:    []string{"/cmd", "/tests"},
		},
	}
}

// Check gives the imports of a file that the boundary bans.
func (b Boundary) Check(f *GoFile) (found []string) {
	if !below(f.Dir(), b.In) && len(b.In) > 0 || below(f.Dir(), b.But) || b.SpareTests && strings.HasSuffix(f.Path, "_test.go") {
		return nil
	}
	for _, p := range f.AST.Imports {
		imported := strings.Trim(p.Path.Value, "`\"")
		if b.bans(f.Dir(), imported) {
			found = append(found, fmt.Sprintf("%s: imports %s", f.At(p), imported))
		}
	}
	return found
}

func (b Boundary) bans(dir, imported string) bool {
	for _, e := range b.Except {
		if e == "." { // its own part: the first two elements of the directory
			e = "/" + strings.Join(strings.SplitN(dir+"/", "/", 3)[:2], "/")
		}
		if within(imported, full(e)) {
			return false
		}
	}
	if b.Only {
		return strings.Contains(strings.SplitN(imported, "/", 2)[0], ".")
	}
	for _, ban := range b.Ban {
		if within(imported, full(ban)) {
			return true
		}
	}
	return false
}

func full(p string) string {
	if strings.HasPrefix(p, "/") {
		return path.Join(Module, p)
	}
	return p
}

func below(dir string, parents []string) bool {
	for _, p := range parents {
		if within(dir, p) {
			return true
		}
	}
	return false
}

// within reports whether p is parent or below it.
func within(p, parent string) bool { return p == parent || strings.HasPrefix(p, parent+"/") }
