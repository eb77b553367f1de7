package lint

import (
	"fmt"
	"go/ast"
	"go/token"
	"slices"
	"strings"
)

// Rule is one thing that every Go file must keep to.
type Rule struct {
	// Name is a subtest's name.
	Name string
	// Reason ends the failure message.
	Reason string
	// Check gives what is wrong, each with its place.
	Check func(f *GoFile) []string
}

// Rules are the rules about single Go files. Generated files are spared.
func Rules() []Rule {
	return []Rule{
		{"no-init", "registration and set-up are explicit: importing a package must change nothing", noInit},
		{"no-panic", "no input and no defect of one call may end the process for all: return an error", noPanic},
		{"no-exit", "only a main function knows whether the process should end: return an error", noExit},
		{"no-global-log", "loggers are injected, so that every line carries its node, call and leg", noGlobalLog},
		{"call-ids", "who looks for a call's id must find every line about it", callIDs},
		{"no-sleep", "a test that sleeps is slow or flaky: wait on a channel or a condition, with a deadline", noSleep},
		{"no-skip", "a skipped test looks like a passed one: what a test needs is installed by 'make setup'", noSkip},
		{"documented", "an exported name is a promise: say its shape, units, errors, and whether it blocks", documented},
	}
}

func noInit(f *GoFile) (found []string) {
	for _, d := range f.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
			found = append(found, f.At(fn)+": an init function")
		}
	}
	return found
}

func noPanic(f *GoFile) (found []string) {
	if f.IsTest() || f.AST.Name.Name == "main" {
		return nil
	}
	calls(f.AST, func(c *ast.CallExpr) bool {
		if id, ok := c.Fun.(*ast.Ident); ok && id.Name == "panic" {
			found = append(found, f.At(c)+": calls panic")
		}
		return true
	})
	return found
}

// callIDs: a log line that names a leg names its call; the host does it for
// adapters.
func callIDs(f *GoFile) (found []string) {
	if f.IsTest() || within(f.Dir(), "adapters") {
		return nil
	}
	calls(f.AST, func(c *ast.CallExpr) bool {
		s, ok := c.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains([]string{"Debug", "Info", "Warn", "Error", "With"}, s.Sel.Name) {
			return true
		}
		names := map[string]bool{}
		for _, a := range c.Args {
			if l, ok := a.(*ast.BasicLit); ok {
				names[l.Value] = true
			}
		}
		if names[`"leg"`] && !names[`"call"`] {
			found = append(found, f.At(c)+": logs a leg without its call")
		}
		return true
	})
	return found
}

func noExit(f *GoFile) (found []string) {
	if f.IsTest() || f.AST.Name.Name == "main" {
		return nil
	}
	calls(f.AST, func(c *ast.CallExpr) bool {
		pkg, name := selector(c.Fun)
		if pkg == "os" && name == "Exit" || pkg == "log" && strings.HasPrefix(name, "Fatal") {
			found = append(found, fmt.Sprintf("%s: calls %s.%s", f.At(c), pkg, name))
		}
		return true
	})
	return found
}

func noGlobalLog(f *GoFile) (found []string) {
	if f.IsTest() || strings.HasPrefix(f.Path, "cmd/") {
		return nil
	}
	if f.imports("log") {
		found = append(found, f.Path+": imports log")
	}
	global := []string{"Default", "SetDefault", "Debug", "Info", "Warn", "Error", "Log", "LogAttrs", "With"}
	calls(f.AST, func(c *ast.CallExpr) bool {
		pkg, name := selector(c.Fun)
		if pkg == "slog" && slices.Contains(global, strings.TrimSuffix(name, "Context")) {
			found = append(found, fmt.Sprintf("%s: calls slog.%s", f.At(c), name))
		}
		return true
	})
	return found
}

// noSleep spares what runs inside synctest.Test, where time stands still until
// everybody waits.
func noSleep(f *GoFile) (found []string) {
	if !f.IsTest() {
		return nil
	}
	calls(f.AST, func(c *ast.CallExpr) bool {
		pkg, name := selector(c.Fun)
		if pkg == "time" && name == "Sleep" {
			found = append(found, f.At(c)+": calls time.Sleep")
		}
		return pkg != "synctest"
	})
	return found
}

func noSkip(f *GoFile) (found []string) {
	if !f.IsTest() {
		return nil
	}
	calls(f.AST, func(c *ast.CallExpr) bool {
		pkg, name := selector(c.Fun)
		if pkg != "" && (name == "Skip" || name == "Skipf" || name == "SkipNow") {
			found = append(found, fmt.Sprintf("%s: calls %s.%s", f.At(c), pkg, name))
		}
		return true
	})
	return found
}

// documented looks at names that other packages can use: not at main packages,
// internal ones and tests.
func documented(f *GoFile) (found []string) {
	if strings.HasSuffix(f.Path, "_test.go") || strings.HasPrefix(f.Path, "tests/") ||
		f.AST.Name.Name == "main" || slices.Contains(strings.Split(f.Path, "/"), "internal") {
		return nil
	}
	report := func(n ast.Node, name string) { found = append(found, f.At(n)+": "+name+" has no comment") }
	for _, d := range f.AST.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Doc == nil && d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
				report(d, d.Name.Name)
			}
		case *ast.GenDecl:
			if d.Tok == token.IMPORT {
				continue
			}
			for _, s := range d.Specs {
				for _, name := range undocumented(d, s) {
					report(s, name)
				}
			}
		}
	}
	return found
}

// undocumented gives the exported names of a declaration without a comment. A
// comment on a group of constants or variables covers them all.
func undocumented(d *ast.GenDecl, s ast.Spec) (names []string) {
	switch s := s.(type) {
	case *ast.TypeSpec:
		if s.Name.IsExported() && s.Doc == nil && (d.Doc == nil || d.Lparen.IsValid()) {
			names = append(names, s.Name.Name)
		}
	case *ast.ValueSpec:
		if d.Doc != nil || s.Doc != nil || s.Comment != nil {
			return nil
		}
		for _, id := range s.Names {
			if id.IsExported() {
				names = append(names, id.Name)
			}
		}
	}
	return names
}

// receiver gives the name of a method's type.
func receiver(d *ast.FuncDecl) string {
	t := d.Recv.List[0].Type
	for {
		switch x := t.(type) {
		case *ast.StarExpr:
			t = x.X
		case *ast.IndexExpr:
			t = x.X
		case *ast.IndexListExpr:
			t = x.X
		case *ast.Ident:
			return x.Name
		default:
			return ""
		}
	}
}

// calls visits the calls below n; visit says whether to look inside.
func calls(n ast.Node, visit func(c *ast.CallExpr) bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		if c, ok := n.(*ast.CallExpr); ok {
			return visit(c)
		}
		return true
	})
}

// selector gives x and name of x.name.
func selector(e ast.Expr) (x, name string) {
	s, ok := e.(*ast.SelectorExpr)
	if !ok {
		return "", ""
	}
	id, ok := s.X.(*ast.Ident)
	if !ok {
		return "", ""
	}
	return id.Name, s.Sel.Name
}
