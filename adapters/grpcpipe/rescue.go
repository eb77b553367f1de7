package grpcpipe

import (
	"log/slog"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/tandem-rtc/tandem/adapters/kit"
)

// errDefect ends a stream on which something of ours broke.
var errDefect = status.Error(codes.Internal, "internal error")

// rescue runs f; a panic is an error of the stream that it is about.
func rescue(log *slog.Logger, f func() error) (err error) {
	if kit.Rescue(log, func() { err = f() }) {
		return errDefect
	}
	return err
}
