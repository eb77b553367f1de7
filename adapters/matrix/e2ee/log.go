//go:build goolm

package e2ee

import (
	"context"
	"encoding/json"
	"log/slog"

	"github.com/rs/zerolog"
)

// zerologTo gives mautrix a logger that writes to log. What mautrix takes for an
// error is a warning here, and its warnings, most of which are about what is
// done next anyway, are for debugging. What is below is left out: it has whole
// requests in it.
func zerologTo(log *slog.Logger) zerolog.Logger {
	return zerolog.New(slogWriter{log}).Level(zerolog.WarnLevel)
}

type slogWriter struct{ log *slog.Logger }

// Write takes one line, which is a JSON object.
func (w slogWriter) Write(line []byte) (int, error) {
	var fields map[string]any
	if json.Unmarshal(line, &fields) != nil {
		return len(line), nil
	}
	level := slog.LevelDebug
	if fields[zerolog.LevelFieldName] == zerolog.LevelErrorValue {
		level = slog.LevelWarn
	}
	message, _ := fields[zerolog.MessageFieldName].(string)
	attrs := make([]slog.Attr, 0, len(fields))
	for _, name := range []string{"error", "action", "sender", "session_id", "room_id", "event_id", "target_user_id", "target_device_id", "status_code"} {
		if v, ok := fields[name]; ok {
			attrs = append(attrs, slog.Any(name, v))
		}
	}
	w.log.LogAttrs(context.Background(), level, "encryption: "+message, attrs...)
	return len(line), nil
}
