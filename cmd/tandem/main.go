// Command tandem is the exchange: every role of it in one binary, and the
// commands of its operator.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line.
type cli struct {
	Serve     serveCmd      `cmd:"" help:"Run the exchange, or some of its roles."`
	Calls     callsCmd      `cmd:"" help:"List calls, or show one of them as a ladder."`
	Phone     phoneCmd      `cmd:"" help:"A telephone for the command line: a WG2 terminal that calls, answers and measures what it hears."`
	Directory directoryCmd  `cmd:"" help:"List, add, change and remove subscribers of a running exchange."`
	Matrix    matrixCmd     `cmd:"" help:"What a Matrix homeserver needs to know of the exchange."`
	Token     tokenCmd      `cmd:"" help:"Make signed tokens for development, in place of an identity provider."`
	Config    configCmd     `cmd:"" help:"Check a configuration, or print the reference."`
	NATS      natsConfigCmd `cmd:"" name:"nats-config" help:"Make accounts, permissions and keys for the NATS of an exchange."`
	Setup     setupCmd      `cmd:"" help:"Make the secrets of an installation with a container for each role."`
	Health    healthCmd     `cmd:"" help:"Ask a running exchange whether it is ready; exit status 0 if it is."`
	Licences  licencesCmd   `cmd:"" help:"Print the licences of everything in this program."`
	Version   versionCmd    `cmd:"" help:"Print the version."`
}

// exitError ends the process with a status; its text, if any, is printed.
type exitError struct {
	status int
	err    error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	// After the first signal the next one has its usual effect: the end, at once.
	context.AfterFunc(ctx, stop)
	os.Exit(run(ctx, os.Args[1:]))
}

// run carries out one command line and gives the exit status.
func run(ctx context.Context, args []string) int {
	var c cli
	status := -1
	parser, err := kong.New(&c,
		kong.Name("tandem"),
		kong.Description("Tandem joins calls of WebRTC-era protocols: a softphone page, sylkRTC clients, WG2 terminals and Matrix users can call each other. \"tandem serve\" runs all of it."),
		kong.UsageOnError(),
		kong.Vars(tokenVars()),
		kong.Vars(matrixVars()),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true}),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Exit(func(n int) { status = n }), // after --help
	)
	if err != nil {
		fmt.Fprintln(os.Stderr, "tandem:", err)
		return 1
	}
	command, err := parser.Parse(args)
	if status >= 0 {
		return status
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "tandem:", err)
		fmt.Fprintln(os.Stderr, "\"tandem --help\" lists the commands.")
		return 1
	}
	err = command.Run()
	var exit *exitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		if exit.err != nil {
			fmt.Fprintln(os.Stderr, "tandem:", exit.err)
		}
		return exit.status
	}
	fmt.Fprintln(os.Stderr, "tandem:", err)
	return 1
}
