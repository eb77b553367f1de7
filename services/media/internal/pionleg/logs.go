package pionleg

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/pion/logging"
)

// logs gives pion's loggers: everything is a detail of a leg to us, at debug.
type logs struct{ log *slog.Logger }

func (l logs) NewLogger(scope string) logging.LeveledLogger { return logger{l.log, scope} }

type logger struct {
	log   *slog.Logger
	scope string
}

func (l logger) write(level, msg string) {
	l.log.Debug("pion", "scope", l.scope, "pion_level", level, "msg_text", msg)
}

func (l logger) writef(level, format string, args []any) {
	if l.log.Enabled(context.Background(), slog.LevelDebug) {
		l.write(level, fmt.Sprintf(format, args...))
	}
}

func (l logger) Trace(string)              {}
func (l logger) Tracef(string, ...any)     {}
func (l logger) Debug(string)              {}
func (l logger) Debugf(string, ...any)     {}
func (l logger) Info(msg string)           { l.write("info", msg) }
func (l logger) Infof(f string, a ...any)  { l.writef("info", f, a) }
func (l logger) Warn(msg string)           { l.write("warn", msg) }
func (l logger) Warnf(f string, a ...any)  { l.writef("warn", f, a) }
func (l logger) Error(msg string)          { l.write("error", msg) }
func (l logger) Errorf(f string, a ...any) { l.writef("error", f, a) }
