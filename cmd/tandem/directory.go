package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/admin"
	"github.com/tandem-rtc/tandem/services/directory"
)

type directoryCmd struct {
	List   directoryListCmd   `cmd:"" help:"List the subscribers."`
	Add    directoryAddCmd    `cmd:"" help:"Add a subscriber, or replace one that was added so."`
	Phone  directoryPhoneCmd  `cmd:"" help:"Say which address is the phone of a subscriber that was added so."`
	Remove directoryRemoveCmd `cmd:"" help:"Remove a subscriber that was added so. It can sign in and be called no more; terminals that are signed in stay until their connections end."`
}

type directoryListCmd struct {
	adminFlags
	JSON bool `name:"json" help:"Print JSON."`
}

// Run implements the command.
func (c *directoryListCmd) Run(ctx context.Context) error {
	client, ctx, cancel := c.client(ctx)
	defer cancel()
	list, err := client.Subscribers(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says what it is already
	}
	if c.JSON {
		return printJSON(os.Stdout, list)
	}
	return printSubscribers(os.Stdout, list)
}

func printSubscribers(w io.Writer, list admin.Subscribers) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(t, "ID\tNAME\tADDRESSES\tALIASES\tPHONE\tSIGNS IN\tFROM")
	for _, s := range list.Subscribers {
		var how []string
		if len(s.Accounts) > 0 {
			how = append(how, "password")
		}
		if s.Tokens > 0 {
			how = append(how, "token")
		}
		_, _ = fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.DisplayName, strings.Join(s.Addresses, " "),
			strings.Join(s.Aliases, " "), s.Phone, strings.Join(how, ", "), s.Source)
	}
	return t.Flush() //nolint:wrapcheck // only writing can fail
}

type directoryAddCmd struct {
	adminFlags
	ID            string   `arg:"" help:"Id of the subscriber."`
	Name          string   `help:"Name shown to people."`
	Address       []string `help:"An address: sip:alice@example.org, tel:+12025550101. Can be repeated, the preferred one first."`
	PhoneAddress  string   `name:"phone" help:"The address that is the phone, where calls are pushed to: any, also of somebody else."`
	PasswordStdin bool     `help:"Read the password from the first line of standard input."`
	Digest        []string `help:"A digest, user:domain:HA1 (htdigest's format)."`
	TokenStdin    bool     `help:"Read a bearer token from the next line of standard input."`
}

// Run implements the command.
func (c *directoryAddCmd) Run(ctx context.Context) error {
	sub := directory.Subscriber{
		ID: c.ID, DisplayName: c.Name, Addresses: c.Address, Phone: c.PhoneAddress, Digests: c.Digest,
	}
	if c.PasswordStdin || c.TokenStdin {
		data, err := io.ReadAll(io.LimitReader(os.Stdin, 64<<10))
		if err != nil {
			return fmt.Errorf("reading standard input: %w", err)
		}
		password, rest, _ := strings.Cut(string(data), "\n")
		if !c.PasswordStdin {
			password, rest = "", string(data)
		}
		sub.Password = strings.TrimSuffix(password, "\r")
		if c.TokenStdin {
			token, _, _ := strings.Cut(rest, "\n")
			sub.Tokens = []string{strings.TrimSuffix(token, "\r")}
		}
	}
	client, ctx, cancel := c.client(ctx)
	defer cancel()
	return client.Put(ctx, sub) //nolint:wrapcheck // says what it is already
}

type directoryPhoneCmd struct {
	adminFlags
	ID      string `arg:"" help:"Id of the subscriber."`
	Address string `arg:"" optional:"" help:"The address: tel:+12025550101, sip:alice@example.org. None: the default again."`
}

// Run implements the command.
func (c *directoryPhoneCmd) Run(ctx context.Context) error {
	client, ctx, cancel := c.client(ctx)
	defer cancel()
	return client.SetPhone(ctx, c.ID, c.Address) //nolint:wrapcheck // says what it is already
}

type directoryRemoveCmd struct {
	adminFlags
	ID string `arg:"" help:"Id of the subscriber."`
}

// Run implements the command.
func (c *directoryRemoveCmd) Run(ctx context.Context) error {
	client, ctx, cancel := c.client(ctx)
	defer cancel()
	return client.Remove(ctx, c.ID) //nolint:wrapcheck // says what it is already
}
