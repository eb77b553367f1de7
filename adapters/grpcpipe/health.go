package grpcpipe

import (
	"context"

	"google.golang.org/grpc"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
)

// registerHealth serves the health service with all of its methods as streams,
// which are the same on the wire: of those the request is read only once there is
// room for it, and grpc-go reads the others' before anybody is asked.
func registerHealth(srv *grpc.Server, h healthv1.HealthServer) {
	desc := healthv1.Health_ServiceDesc
	desc.Methods = nil
	desc.Streams = append([]grpc.StreamDesc{
		{StreamName: "Check", ClientStreams: true, Handler: one(healthv1.HealthServer.Check)},
		{StreamName: "List", ClientStreams: true, Handler: one(healthv1.HealthServer.List)},
	}, desc.Streams...)
	srv.RegisterService(&desc, h)
}

// one gives a method with one request and one response as a stream's handler.
func one[Q, R any](method func(healthv1.HealthServer, context.Context, *Q) (*R, error)) grpc.StreamHandler {
	return func(srv any, st grpc.ServerStream) error {
		q := new(Q)
		if err := st.RecvMsg(q); err != nil {
			return err //nolint:wrapcheck // a status
		}
		r, err := method(srv.(healthv1.HealthServer), st.Context(), q) //nolint:errcheck,forcetypeassert // registered so
		if err != nil {
			return err //nolint:wrapcheck // a status
		}
		return st.SendMsg(r) //nolint:wrapcheck // a status
	}
}
