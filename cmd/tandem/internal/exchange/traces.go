package exchange

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"

	"github.com/tandem-rtc/tandem/cmd/tandem/internal/tracing"
)

// openTraces makes the exporter of traces, if there is somewhere to send them.
func (x *Exchange) openTraces(version string) error {
	c := x.cfg.Tracing
	if c.Endpoint == "" || c.Sample == 0 {
		return nil
	}
	o := tracing.Options{Endpoint: c.Endpoint, Sample: c.Sample, Version: version, Node: x.cfg.Node, Log: x.logger("tracing")}
	if c.CA != "" {
		pem, err := os.ReadFile(c.CA)
		if err != nil {
			return fmt.Errorf("tracing.ca_file: %w", err)
		}
		o.TLS = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: x509.NewCertPool()}
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return errors.New("tracing.ca_file: no certificate in it")
		}
	}
	var err error
	x.traces, err = tracing.New(context.Background(), o)
	return err //nolint:wrapcheck // names itself
}
