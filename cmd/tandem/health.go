package main

import (
	"context"
	"fmt"
)

type healthCmd struct{ adminFlags }

// Run implements the command.
func (c *healthCmd) Run(ctx context.Context) error {
	client, ctx, cancel := c.client(ctx)
	defer cancel()
	text, err := client.Ready(ctx)
	if err != nil {
		return err //nolint:wrapcheck // says what it is already
	}
	fmt.Println(text)
	return nil
}
