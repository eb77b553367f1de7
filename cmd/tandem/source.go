package main

import (
	"os"
	"strings"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/adapters"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
)

// sourceFlags say where the configuration comes from.
type sourceFlags struct {
	Config string   `short:"c" placeholder:"FILE" env:"TANDEM_CONFIG" help:"Configuration file (YAML). \"tandem config reference\" prints all keys."`
	Set    []string `placeholder:"KEY=VALUE" sep:"none" help:"Set any key: --set sylkrtc.listen=0.0.0.0:8080. Can be repeated; wins over file and environment."`
}

// load reads the configuration; extra are settings of further flags.
func (f sourceFlags) load(extra ...string) (*config.Config, error) {
	return config.Load(adapters.All(), config.Source{ //nolint:wrapcheck // each error names its key
		File: f.Config, Env: os.Getenv, Set: append(extra, f.Set...),
	})
}

// lines gives joined errors one by one.
func lines(err error) []string { return strings.Split(err.Error(), "\n") }
