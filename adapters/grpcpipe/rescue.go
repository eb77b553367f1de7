package grpcpipe

import (
	"fmt"
	"log/slog"
	"runtime/debug"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// errDefect ends a stream on which something of ours broke.
var errDefect = status.Error(codes.Internal, "internal error")

// rescue runs f. A panic ends the stream that it is about, and not the process with
// everybody's calls.
func rescue(log *slog.Logger, f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			log.Error("panic in a stream", "panic", fmt.Sprint(p), "stack", string(debug.Stack()))
			err = errDefect
		}
	}()
	return f()
}
