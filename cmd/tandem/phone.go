package main

import (
	"context"
	"log/slog"
	"os"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/phone"
)

type phoneCmd struct {
	Call   phoneCallCmd   `cmd:"" help:"Call an address, send a tone, and tell how it went: exit status 0 if audio arrived, 2 if refused or unanswered, 1 on an error."`
	Listen phoneListenCmd `cmd:"" help:"Register and answer calls."`
	Pull   phonePullCmd   `cmd:"" help:"Take over a call that the number is in at another terminal; exit status as of call."`
}

type phoneCallCmd struct {
	phone.CallOptions
	phoneLog
}

// Run implements the command.
func (c *phoneCallCmd) Run(ctx context.Context) error {
	return phoneStatus(phone.Call(ctx, c.CallOptions, os.Stdout, os.Stderr, c.logger()))
}

type phonePullCmd struct {
	phone.PullOptions
	phoneLog
}

// Run implements the command.
func (c *phonePullCmd) Run(ctx context.Context) error {
	return phoneStatus(phone.Pull(ctx, c.PullOptions, os.Stdout, os.Stderr, c.logger()))
}

type phoneListenCmd struct {
	phone.ListenOptions
	phoneLog
}

// Run implements the command.
func (c *phoneListenCmd) Run(ctx context.Context) error {
	return phoneStatus(phone.Listen(ctx, c.ListenOptions, os.Stdout, os.Stderr, c.logger()))
}

// phoneLog is what a phone logs besides what it tells.
type phoneLog struct {
	Verbose bool `short:"v" help:"Log what happens on the line to standard error."`
}

func (l phoneLog) logger() *slog.Logger {
	level := slog.LevelWarn
	if l.Verbose {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level}))
}

func phoneStatus(status int) error {
	if status == phone.ExitOK {
		return nil
	}
	return &exitError{status: status}
}
