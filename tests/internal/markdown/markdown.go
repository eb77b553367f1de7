package markdown

import (
	"regexp"
	"strings"
)

// Block is a fenced block of code.
type Block struct {
	// Language is the first word after the fence.
	Language string
	// File is that of the line above, if it names one: **`wire.go`**
	File string
	Text string
	Line int
}

var (
	fileLine = regexp.MustCompile("^\\*\\*`([^`]+)`\\*\\*")
	codeSpan = regexp.MustCompile("`([^`]+)`")
)

// Parse gives a document's fenced blocks, and the code spans of its prose by their
// lines.
func Parse(text string) (blocks []Block, spans map[int][]string) {
	spans = map[int][]string{}
	var open *Block
	above := ""
	n := 0
	for line := range strings.Lines(text) {
		n++
		fence, isFence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case isFence && open != nil:
			blocks = append(blocks, *open)
			open, above = nil, ""
		case isFence:
			open = &Block{Line: n}
			if words := strings.Fields(fence); len(words) > 0 {
				open.Language = words[0]
			}
			if m := fileLine.FindStringSubmatch(above); m != nil {
				open.File = m[1]
			}
		case open != nil:
			open.Text += line
		case strings.TrimSpace(line) != "":
			above = line
			for _, m := range codeSpan.FindAllStringSubmatch(line, -1) {
				spans[n] = append(spans[n], m[1])
			}
		}
	}
	return blocks, spans
}

// Section gives the part of a document below a heading, "## Backup", with what is
// below deeper headings in it; false if there is none.
func Section(text, heading string) (string, bool) {
	_, text, found := strings.Cut("\n"+text, "\n"+heading+"\n")
	if !found {
		return "", false
	}
	level, _, _ := strings.Cut(heading, " ")
	var out strings.Builder
	code := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(line, "```") {
			code = !code
		}
		marks, _, _ := strings.Cut(line, " ")
		if !code && marks != "" && strings.Trim(marks, "#") == "" && len(marks) <= len(level) {
			break
		}
		out.WriteString(line)
	}
	return out.String(), true
}
