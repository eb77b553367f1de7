package grpcpipe

import (
	"context"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/health"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/reflection"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/webterminal/v0"
	"github.com/tandem-rtc/tandem/adapters/kit/port"
)

// Run implements kit.Adapter. To drain, streams end with UNAVAILABLE once what
// is queued for them is written: their clients connect again, elsewhere, and a
// MultiPipe takes its calls up there.
func (a *Adapter) Run(ctx context.Context, ready func()) error {
	opts, err := a.options()
	if err != nil {
		return err
	}
	ln, err := a.listen(ctx)
	if err != nil {
		return err
	}
	base, giveUp := context.WithCancel(context.WithoutCancel(ctx))
	defer giveUp()
	drain := make(chan struct{})
	srv := grpc.NewServer(opts...)
	alive := health.NewServer()
	wgtwo.RegisterWebTerminalServiceServer(srv, service{a: a, base: base, drain: drain})
	registerHealth(srv, alive)
	alive.SetServingStatus(wgtwo.WebTerminalService_ServiceDesc.ServiceName, healthv1.HealthCheckResponse_SERVING)
	if a.cfg.Reflection {
		reflection.Register(srv)
	}
	a.addr = ln.Addr()
	close(a.listening)

	served := make(chan error, 1)
	go func() { served <- srv.Serve(a.connections) }()
	a.host.Log().Info("listening", "address", ln.Addr().String(), "tls", a.cfg.TLS.On())
	ready()

	failed := false
	select {
	case <-ctx.Done():
	case err = <-served: // the listener broke
		failed = true
	}
	a.mu.Lock()
	a.draining = true
	a.mu.Unlock()
	alive.Shutdown()
	close(drain)
	late := time.AfterFunc(a.host.DrainTimeout()*3/4, func() {
		giveUp()
		srv.Stop()
	})
	defer late.Stop()
	srv.GracefulStop()
	a.running.Wait()
	if failed {
		return fmt.Errorf("grpcpipe: %w", err)
	}
	<-served
	return nil
}

// listen opens the port, and bounds and watches its connections.
func (a *Adapter) listen(ctx context.Context) (net.Listener, error) {
	lc := net.ListenConfig{}
	ln, err := lc.Listen(ctx, "tcp", a.cfg.Listen)
	if err != nil {
		return nil, fmt.Errorf("grpcpipe: %w", err)
	}
	count := func(name string) func() { return func() { a.host.Metrics().Count(name, 1) } }
	limits := port.Limits{Total: a.cfg.MaxConnections, PerAddress: a.cfg.PerAddress, Budget: a.cfg.Budget, Log: a.host.Log(), Refused: count("connections_refused")}
	a.connections = &watched{Listener: limits.Wrap(ln), silent: count("connections_silent")}
	return ln, nil
}

// options of the gRPC server. The buffers are sized for connections that are
// idle most of the time: memory per stream counts, and throughput of one does
// not. (grpc-go reads bare TCP connections into pooled buffers; counted or
// encrypted ones, which all are here, have one each.)
func (a *Adapter) options() ([]grpc.ServerOption, error) {
	c := &a.cfg
	opts := []grpc.ServerOption{
		grpc.MaxRecvMsgSize(c.MaxMessage),
		grpc.MaxConcurrentStreams(uint32(min(c.PerConnection, 1<<31-1))), //nolint:gosec // bounded
		grpc.MaxHeaderListSize(16 << 10),
		grpc.ConnectionTimeout(c.Handshake),
		grpc.ReadBufferSize(1 << 10),
		grpc.WriteBufferSize(8 << 10),
		grpc.WaitForHandlers(true),
		grpc.InTapHandle(a.tap),
		grpc.StreamInterceptor(a.askers),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: c.PingMin, PermitWithoutStream: true}),
		grpc.KeepaliveParams(a.keepalive()),
	}
	if !c.TLS.On() {
		return opts, nil
	}
	tc, err := c.TLS.Server(a.host.Log())
	if err != nil {
		return nil, fmt.Errorf("grpcpipe.%w", err)
	}
	return append(opts, grpc.Creds(credentials.NewTLS(tc))), nil
}

// keepalive ends connections a while after the age at which their streams end
// by themselves (see run): the first so that a new stream is not opened on an
// old connection, the second because a stream may have been opened late on it.
func (a *Adapter) keepalive() keepalive.ServerParameters {
	c := &a.cfg
	p := keepalive.ServerParameters{
		MaxConnectionIdle: c.Idle,
		Time:              c.PingEvery,
		Timeout:           c.PingTimeout,
	}
	if c.MaxAge > 0 {
		p.MaxConnectionAge = c.MaxAge // grpc-go adds 10 % either way
		p.MaxConnectionAgeGrace = 2*c.MaxAge + c.MaxAgeGrace
	}
	return p
}
