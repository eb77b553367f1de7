package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/admin"
)

type healthCmd struct{ adminFlags }

// Run implements the command.
func (c *healthCmd) Run(ctx context.Context) error {
	client, ctx, cancel := c.client(ctx)
	defer cancel()
	text, err := client.Ready(ctx)
	if text != "" {
		fmt.Println(text)
	}
	if errors.Is(err, admin.ErrNotReady) {
		return &exitError{status: 1} // the text says why
	}
	return err //nolint:wrapcheck // says what it is already
}
