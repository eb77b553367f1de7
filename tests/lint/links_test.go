package lint

import (
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestMarkdownLinks(t *testing.T) {
	for _, p := range repo(t).Files {
		if path.Ext(p) != ".md" {
			continue
		}
		for _, target := range Links(string(read(t, p))) {
			checkLink(t, p, target)
		}
	}
}

func checkLink(t *testing.T, from, target string) {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Errorf("%s: link %q: %v", from, target, err)
		return
	}
	if u.Scheme != "" || u.Host != "" {
		return
	}
	to := from
	if u.Path != "" {
		to = path.Join(path.Dir(from), u.Path)
	}
	if strings.HasPrefix(u.Path, "/") || strings.HasPrefix(to, "..") || !exists(filepath.Join(repo(t).Root, to)) {
		t.Errorf("%s: link %q leads nowhere: a reader follows it and gives up", from, target)
		return
	}
	if u.Fragment != "" && path.Ext(to) == ".md" && !Anchors(string(read(t, to)))[u.Fragment] {
		t.Errorf("%s: link %q: %s has no such heading", from, target, to)
	}
}

func TestLinksAndAnchors(t *testing.T) {
	const text = "# Call *set-up*, in `code`\n" +
		"see [a](b.md), [c](<d.md> \"title\") and `[no](code)`\n" +
		"```\n[no](fence)\n# no\n```\n" +
		"[ref]: e.md#f\n" +
		"## [Linked](x.md) heading ##\n"
	if got, want := Links(text), []string{"b.md", "d.md", "e.md#f", "x.md"}; !slices.Equal(got, want) {
		t.Errorf("links %q, want %q", got, want)
	}
	anchors := Anchors(text)
	if len(anchors) != 2 || !anchors["call-set-up-in-code"] || !anchors["linked-heading"] {
		t.Errorf("anchors %v", anchors)
	}
}
