package main

import (
	_ "embed"
	"io"
	"os"
)

// licences are the texts that have to be passed on with the program, written by
// 'make licences'.
//
//go:embed licences.txt
var licences string

type licencesCmd struct{}

// Run implements the command.
func (licencesCmd) Run() error {
	_, err := io.WriteString(os.Stdout, licences)
	return err //nolint:wrapcheck // only writing can fail
}
