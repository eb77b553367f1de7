package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"google.golang.org/protobuf/encoding/protojson"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/admin"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/ladder"
	"github.com/tandem-rtc/tandem/schema"
)

// adminFlags say which running process to ask.
type adminFlags struct {
	Admin      string        `default:"http://127.0.0.1:9464" placeholder:"URL" help:"Where the running exchange's admin port is."`
	AdminToken string        `placeholder:"TOKEN" env:"TANDEM_ADMIN_TOKEN" help:"admin.token of the running exchange, if it has one."`
	TokenFile  string        `name:"admin-token-file" placeholder:"FILE" env:"TANDEM_ADMIN_TOKEN_FILE" help:"File with that token."`
	Timeout    time.Duration `default:"10s" help:"How long to wait for an answer."`
}

func (f adminFlags) client(ctx context.Context) (*admin.Client, context.Context, context.CancelFunc) {
	ctx, cancel := context.WithTimeout(ctx, f.Timeout)
	return &admin.Client{Server: f.Admin, Token: f.AdminToken, TokenFile: f.TokenFile}, ctx, cancel
}

type callsCmd struct {
	List callsListCmd `cmd:"" default:"withargs" help:"List live calls (the default)."`
	Show callsShowCmd `cmd:"" help:"Show one call: who said what to whom, and when."`
}

type callsListCmd struct {
	adminFlags
	All   bool          `help:"Ended calls too, as long as their records are kept."`
	JSON  bool          `name:"json" help:"Print JSON; with --watch one object a line."`
	Watch bool          `help:"Go on, and print a line for each call that comes, changes or ends."`
	Every time.Duration `default:"1s" help:"How often --watch looks."`
}

// Run implements the command.
func (c *callsListCmd) Run(ctx context.Context) error {
	if c.Watch {
		return c.watch(ctx, os.Stdout, os.Stderr)
	}
	client, ctx, cancel := c.client(ctx)
	defer cancel()
	calls, err := client.Calls(ctx, c.All)
	if err != nil {
		return err //nolint:wrapcheck // says what it is already
	}
	if c.JSON {
		return printJSON(os.Stdout, calls)
	}
	return printCalls(os.Stdout, calls, time.Now())
}

func printCalls(w io.Writer, calls admin.Calls, now time.Time) error {
	if len(calls.Calls) == 0 {
		_, err := fmt.Fprintln(w, "no calls")
		return err //nolint:wrapcheck // only writing can fail
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "CALL\tSTATE\tFROM\tTO\tVIA\tSINCE OFFER")
	for _, c := range calls.Calls {
		_, _ = fmt.Fprintln(t, strings.Join(columns(c, now), "\t"))
	}
	if calls.More {
		_, _ = fmt.Fprintln(t, "… and more")
	}
	return t.Flush() //nolint:wrapcheck // only writing can fail
}

// columns are what is shown of a call.
func columns(c admin.Call, now time.Time) []string {
	state, end := c.State, now
	if c.Reason != "" {
		state += ": " + c.Reason
	}
	if c.Ended != nil {
		end = *c.Ended
	}
	callee := c.Callee
	if callee == "" {
		callee = c.Dialled
	}
	return []string{
		c.ID, state, schema.CleanText(c.Caller, 64), schema.CleanText(callee, 64),
		strings.Join(c.Kinds, ", "), lasted(end.Sub(c.Created)),
	}
}

// lasted is a duration as people read it.
func lasted(d time.Duration) string {
	if d < 10*time.Second {
		return d.Round(100 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

type callsShowCmd struct {
	adminFlags
	ID   string `arg:"" help:"Id of the call or of one of its legs, the beginning of the call's id, or what a client calls it."`
	JSON bool   `name:"json" help:"Print the record as JSON."`
}

// Run implements the command.
func (c *callsShowCmd) Run(ctx context.Context) error {
	client, ctx, cancel := c.client(ctx)
	defer cancel()
	call, err := client.Call(ctx, c.ID)
	if err != nil {
		return err //nolint:wrapcheck // says what it is already
	}
	if c.JSON {
		data, err := protojson.Marshal(call)
		if err != nil {
			return fmt.Errorf("printing the record: %w", err)
		}
		return printJSON(os.Stdout, json.RawMessage(data))
	}
	return ladder.Write(os.Stdout, call, time.Now()) //nolint:wrapcheck // only writing can fail
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("printing JSON: %w", err)
	}
	return nil
}
