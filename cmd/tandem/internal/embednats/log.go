package embednats

import (
	"fmt"
	"log/slog"
	"sync"
)

// natsLog writes what the server warns of to slog. Its notices say what every
// start says, so they are debug lines here.
type natsLog struct {
	log *slog.Logger

	mu  sync.Mutex
	why string // the last fatal error
}

func (l *natsLog) fatal() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.why
}

// Noticef implements server.Logger.
func (l *natsLog) Noticef(format string, v ...any) { l.log.Debug("NATS: " + fmt.Sprintf(format, v...)) }

// Warnf implements server.Logger.
func (l *natsLog) Warnf(format string, v ...any) { l.log.Warn("NATS: " + fmt.Sprintf(format, v...)) }

// Fatalf implements server.Logger. It ends nothing: Start reports it.
func (l *natsLog) Fatalf(format string, v ...any) {
	l.mu.Lock()
	l.why = fmt.Sprintf(format, v...)
	l.mu.Unlock()
	l.log.Error("NATS: " + fmt.Sprintf(format, v...))
}

// Errorf implements server.Logger.
func (l *natsLog) Errorf(format string, v ...any) { l.log.Error("NATS: " + fmt.Sprintf(format, v...)) }

// Debugf implements server.Logger.
func (l *natsLog) Debugf(string, ...any) {}

// Tracef implements server.Logger.
func (l *natsLog) Tracef(string, ...any) {}
