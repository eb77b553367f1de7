package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"

	"github.com/tandem-rtc/tandem/adapters/matrix"
)

type matrixCmd struct {
	Registration matrixRegistrationCmd `cmd:"" help:"Make the registration of an application service, with new tokens."`
	Show         matrixShowCmd         `cmd:"" help:"Print a registration that is there, with its tokens, for the homeserver."`
}

type matrixShowCmd struct {
	File string `arg:"" env:"TANDEM_MATRIX_REGISTRATION" placeholder:"FILE" help:"The registration; in a container of the adapter, the one that it has."`
}

// Run implements the command.
func (c *matrixShowCmd) Run() error {
	if _, err := matrix.LoadRegistration(c.File); err != nil {
		return err //nolint:wrapcheck // names the file
	}
	text, err := os.ReadFile(c.File)
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	_, err = os.Stdout.Write(text)
	return err //nolint:wrapcheck // only writing can fail
}

type matrixRegistrationCmd struct {
	ServerName string `required:"" placeholder:"NAME" help:"The homeserver's name, which ends its users' ids: example.org."`
	URL        string `name:"url" default:"http://127.0.0.1:8009" help:"Where the homeserver reaches matrix.listen."`
	Bot        string `default:"${matrix_bot}" help:"Name of the user that people invite to have their line: what is between @ and the colon."`
	Prefix     string `default:"${matrix_prefix}" help:"What the names of the users begin with that stand for everybody who is not on Matrix. Nobody else may have such a name."`
	Output     string `short:"o" placeholder:"FILE" help:"Write to a file that only you may read, which must not exist, instead of standard output."`
}

// Help implements kong.HelpProvider.
func (*matrixRegistrationCmd) Help() string {
	return `The file holds two secrets and is needed twice: the homeserver reads it at its start (Dendrite: app_service_api.config_files, Synapse: app_service_config_files), and Tandem as matrix.registration.`
}

// Run implements the command.
func (c *matrixRegistrationCmd) Run() error {
	if u, err := url.Parse(c.URL); err != nil || u.Host == "" {
		return fmt.Errorf("--url: %q is not a URL", c.URL)
	}
	text, err := matrix.NewRegistration(c.URL, c.ServerName, c.Bot, c.Prefix).YAML()
	if err != nil {
		return fmt.Errorf("writing the registration: %w", err)
	}
	if c.Output == "" {
		fmt.Print(text)
		return nil
	}
	return writeNew(c.Output, text)
}

// writeNew writes a file that must not exist: the tokens of one that does are in
// use.
func writeNew(path, text string) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:gosec // the operator names it
	if errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%s exists: remove it, if the homeserver is to get new tokens", path)
	}
	if err != nil {
		return err //nolint:wrapcheck // names the file
	}
	if _, err := f.WriteString(text); err != nil {
		_ = f.Close() // the first error says more
		return err    //nolint:wrapcheck // names the file
	}
	return f.Close() //nolint:wrapcheck // names the file
}

// matrixVars are the defaults in the help.
func matrixVars() map[string]string {
	return map[string]string{"matrix_bot": matrix.BotLocalpart, "matrix_prefix": matrix.GhostPrefix}
}
