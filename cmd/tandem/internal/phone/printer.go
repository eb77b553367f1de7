package phone

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// printer tells people what happens, and programs how calls went.
type printer struct {
	mu     sync.Mutex
	people io.Writer
	result io.Writer // nil without --json
	err    error     // the first that writing a result met
}

// newPrinter keeps standard output for results alone when they are wanted.
func newPrinter(stdout, stderr io.Writer, json bool) *printer {
	if json {
		return &printer{people: stderr, result: stdout}
	}
	return &printer{people: stdout}
}

// human writes a line with the time.
func (p *printer) human(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, _ = fmt.Fprintf(p.people, time.Now().Format("15:04:05.000 ")+format+"\n", args...) // nobody left to tell
}

// done writes how a call went.
func (p *printer) done(r *Result) {
	p.human("%s, %s: %d packets of audio, %d of video, strongest tone %g Hz",
		r.State, r.Reason, r.RxPackets, r.RxVideoPackets, r.RxToneHz)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.result != nil && p.err == nil {
		p.err = r.write(p.result)
	}
}

// broken reports whether results could not be written.
func (p *printer) broken() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.err != nil
}

// prefixed is a printer's human with a call's name in front.
func prefixed(p *printer, prefix string) func(string, ...any) {
	return func(format string, args ...any) { p.human(prefix+format, args...) }
}
