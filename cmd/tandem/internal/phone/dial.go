package phone

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/metadata"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
)

// stream is either method's, seen from the terminal.
type stream = grpc.BidiStreamingClient[message, message]

// dial makes the connection; nothing is sent before a stream is opened.
func (c *Connection) dial() (*grpc.ClientConn, error) {
	if _, _, err := net.SplitHostPort(c.Server); err != nil {
		return nil, fmt.Errorf("phone: the server must be HOST:PORT: %w", err)
	}
	creds := insecure.NewCredentials()
	if c.secure() {
		cfg := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.Name}
		if c.CA != "" {
			pem, err := os.ReadFile(c.CA)
			if err != nil {
				return nil, fmt.Errorf("phone: %w", err)
			}
			cfg.RootCAs = x509.NewCertPool()
			if !cfg.RootCAs.AppendCertsFromPEM(pem) {
				return nil, fmt.Errorf("phone: %s holds no certificate", c.CA)
			}
		}
		if c.Trusts != nil {
			cfg.InsecureSkipVerify = true // of authorities and names: the next line decides
			cfg.VerifyConnection = c.verify
		}
		creds = credentials.NewTLS(cfg)
	}
	conn, err := grpc.NewClient(c.Server,
		grpc.WithTransportCredentials(creds),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{
			Time: 20 * time.Second, Timeout: 10 * time.Second, PermitWithoutStream: true,
		}),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: 100 * time.Millisecond, Multiplier: 1.6, Jitter: 0.2, MaxDelay: 3 * time.Second},
			MinConnectTimeout: 5 * time.Second,
		}),
	)
	if err != nil {
		return nil, fmt.Errorf("phone: %w", err)
	}
	return conn, nil
}

// verify implements tls.Config.VerifyConnection by Trusts.
func (c *Connection) verify(s tls.ConnectionState) error {
	if len(s.PeerCertificates) == 0 || !c.Trusts(s.PeerCertificates[0]) {
		return errors.New("phone: the server shows a certificate of somebody else")
	}
	return nil
}

// register opens a stream and waits until the exchange has taken it: a Pipe is
// told Idle or InCall first, a MultiPipe nothing but headers.
func (c *Connection) register(ctx context.Context, conn *grpc.ClientConn) (st stream, first *message, err error) {
	ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+c.Token)
	if c.MSISDN != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "wg2-msisdn", strings.TrimPrefix(c.MSISDN, "+"))
	}
	client := wgtwo.NewWebTerminalServiceClient(conn)
	if c.Single {
		if st, err = client.Pipe(ctx); err == nil {
			first, err = st.Recv()
		}
		return st, first, err
	}
	if st, err = client.MultiPipe(ctx); err != nil {
		return nil, nil, err
	}
	md, err := st.Header()
	if err == nil && md == nil { // ended without headers; its status is in Recv
		_, err = st.Recv()
	}
	return st, nil, err
}
