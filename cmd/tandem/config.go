package main

import (
	"fmt"
	"io"
	"os"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/adapters"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/demo"
)

type configCmd struct {
	Reference configReferenceCmd `cmd:"" help:"Print a complete configuration file with all defaults and what they are for."`
	Check     configCheckCmd     `cmd:"" help:"Read a configuration and report everything that is wrong with it."`
	Show      configShowCmd      `cmd:"" help:"Print the configuration that results from file, environment and flags, secrets hidden."`
}

type configReferenceCmd struct {
	Format string `enum:"yaml,markdown" default:"yaml" help:"yaml, or markdown for the documentation."`
}

// Run implements the command.
func (c *configReferenceCmd) Run() error { return writeReference(os.Stdout, c.Format) }

//go:generate sh -c "go run . config reference --format=markdown > ../../docs/config.md"

// writeReference prints the reference; docs/config.md is its markdown.
func writeReference(w io.Writer, format string) error {
	if format == "markdown" {
		if _, err := io.WriteString(w, referenceHead); err != nil {
			return fmt.Errorf("printing the reference: %w", err)
		}
		defer func() { _, _ = io.WriteString(w, "```\n") }()
	}
	return config.Reference(w, adapters.All()) //nolint:wrapcheck // only writing can fail
}

const referenceHead = `# Configuration

<!-- Made by "go generate" in cmd/tandem; a test keeps it current. -->

` + "`tandem serve`" + ` needs no configuration: it runs everything on this machine's loopback, with public demo accounts. With a file (` + "`-c FILE`" + `) the demo is off unless the file asks for it.

What is not said in the file keeps its default. An environment variable wins over the file and a flag over both: the key ` + "`sylkrtc.listen`" + ` is ` + "`TANDEM_SYLKRTC_LISTEN`" + ` and ` + "`--set sylkrtc.listen=…`" + `. A secret can also be in a file that the variable with ` + "`_FILE`" + ` at its end names: ` + "`TANDEM_SECRET_FILE=/run/secrets/tandem`" + `. Lists are written with commas, lists of entries as YAML. A key that does not exist is an error; ` + "`tandem config check -c FILE`" + ` reports all errors with their paths, ` + "`tandem config show`" + ` prints what results.

` + "```yaml\n"

type configCheckCmd struct{ sourceFlags }

// Run implements the command.
func (c *configCheckCmd) Run() error {
	cfg, err := c.load()
	if err == nil && cfg.Demo { // its accounts must not meet others
		demo.Apply(&cfg.Directory, "echo")
		err = cfg.Validate()
	}
	if err != nil {
		for _, line := range lines(err) {
			fmt.Println(line)
		}
		return &exitError{status: 1}
	}
	fmt.Println("The configuration is valid.")
	return nil
}

type configShowCmd struct{ sourceFlags }

// Run implements the command.
func (c *configShowCmd) Run() error {
	cfg, err := c.load()
	if err != nil {
		return err
	}
	return cfg.Show(os.Stdout) //nolint:wrapcheck // only writing can fail
}
