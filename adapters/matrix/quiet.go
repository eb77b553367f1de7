package matrix

import (
	stdlog "log"
	"log/slog"
)

// quiet gives what the HTTP library has to say, which is about single connections,
// at debug level.
func quiet(log *slog.Logger) *stdlog.Logger { return slog.NewLogLogger(log.Handler(), slog.LevelDebug) }
