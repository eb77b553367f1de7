package main

import (
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/tandem-rtc/tandem/adapters/grpcpipe"
	"github.com/tandem-rtc/tandem/adapters/matrix"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/config"
	"github.com/tandem-rtc/tandem/cmd/tandem/internal/demo"
)

// banner tells where to go and what to dial, in words for the shell that the program
// was called in.
func banner(w io.Writer, program string, cfg *config.Config, address func(role string) string) {
	b := &strings.Builder{}
	line := func(what, where string) { fmt.Fprintf(b, "  %-18s %s\n", what, where) }
	b.WriteString("Tandem is running.\n\n")
	page, secure := address(config.RoleConsole), false
	sylk := sylkConfig(cfg)
	if sylk != nil {
		secure = sylk.TLS.Cert != ""
		if cfg.Has(config.RoleConsole) {
			page = address(sylkrtc.Kind)
		}
	}
	if page != "" {
		line("Softphone page", scheme("http", secure)+reach(page)+"/")
	}
	if sylk != nil {
		line("sylkRTC clients", scheme("ws", secure)+reach(address(sylkrtc.Kind))+sylk.Path)
	}
	if cfg.Has(grpcpipe.Kind) {
		line("WG2 clients", reach(address(grpcpipe.Kind))+" (gRPC)")
	}
	if cfg.Has(matrix.Kind) {
		line("Matrix homeserver", "sends to "+reach(address(matrix.Kind)))
	}
	if at := address("admin"); at != "" {
		line("Health, metrics", scheme("http", cfg.Admin.TLS.On())+reach(at)+"/readyz, /metrics")
	}
	if cfg.Demo {
		demoText(b, program, cfg, page != "", address)
	}
	b.WriteString("\n")
	_, _ = io.WriteString(w, b.String()) // nobody reads it: no matter
}

func demoText(b *strings.Builder, program string, cfg *config.Config, page bool, address func(role string) string) {
	fmt.Fprintf(b, "\n  Demo accounts, password %q:\n", demo.Password)
	for _, a := range demo.Accounts() {
		fmt.Fprintf(b, "    %-18s %s\n", a.Account, a.Number)
	}
	fmt.Fprintf(b, "    %-18s %s answers and sends back what it hears\n", "echo", demo.Echo)
	b.WriteString("\n")
	if page {
		b.WriteString("  Open the page, sign in as Alice, and dial the echo number; or open it twice and\n" +
			"  have Alice call Bob. Any account can be dialled by its name or its number.\n")
	}
	if cfg.Has(grpcpipe.Kind) {
		server := ""
		if at := reach(address(grpcpipe.Kind)); at != "127.0.0.1:9090" {
			server = " --server " + at
		}
		fmt.Fprintf(b, "  From another terminal:  %s phone call %s%s\n", program, demo.Echo, server)
		fmt.Fprintf(b, "                          %s phone listen%s   (answers as Carol)\n", program, server)
	}
	fmt.Fprintf(b, "                          %s calls\n", program)
}

func sylkConfig(cfg *config.Config) *sylkrtc.Config {
	for _, a := range cfg.Adapters {
		if c, ok := a.Config.(*sylkrtc.Config); ok && cfg.Has(a.Spec.Kind) {
			return c
		}
	}
	return nil
}

func scheme(plain string, secure bool) string {
	if secure {
		return plain + "s://"
	}
	return plain + "://"
}

// reach gives an address that can be typed: a port on every interface is shown
// on this machine's loopback.
func reach(address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return address
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
