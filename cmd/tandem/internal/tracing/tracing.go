package tracing

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc/credentials"

	"github.com/tandem-rtc/tandem/bus"
)

// Options say where traces go.
type Options struct {
	// Endpoint is where OTLP is taken by gRPC: http://host:4317 or https://host:4317.
	Endpoint string
	// TLS towards an https endpoint; nil trusts the system's certificates.
	TLS *tls.Config
	// Sample is the share of calls that are traced, 0 to 1.
	Sample float64
	// Version and Node describe the process.
	Version, Node string
	Log           *slog.Logger
}

// Exporter sends the traces of a process. What cannot be sent is dropped, and
// nothing of a call waits for it.
type Exporter struct {
	options   Options
	processor sdktrace.SpanProcessor
}

const (
	exportTimeout = 10 * time.Second
	// closeTimeout is how long the end of a process waits for an endpoint.
	closeTimeout = 3 * time.Second
	// queued bounds the spans that wait to be sent.
	queued = 8192
)

// New makes an exporter. It does not wait for the endpoint.
func New(ctx context.Context, o Options) (*Exporter, error) {
	dial := []otlptracegrpc.Option{
		otlptracegrpc.WithEndpointURL(o.Endpoint), otlptracegrpc.WithTimeout(exportTimeout),
	}
	if o.TLS != nil && strings.HasPrefix(o.Endpoint, "https://") {
		dial = append(dial, otlptracegrpc.WithTLSCredentials(credentials.NewTLS(o.TLS)))
	}
	client, err := otlptracegrpc.New(ctx, dial...)
	if err != nil {
		return nil, fmt.Errorf("tracing: %w", err)
	}
	return &Exporter{o, sdktrace.NewBatchSpanProcessor(told{client, o.Log}, sdktrace.WithMaxQueueSize(queued))}, nil
}

// Role gives the tracer of a role of this process.
func (x *Exporter) Role(kind string) bus.Tracer {
	provider := sdktrace.NewTracerProvider(
		sdktrace.WithSpanProcessor(x.processor), sdktrace.WithIDGenerator(generator{}), sdktrace.WithSampler(sdktrace.AlwaysSample()),
		sdktrace.WithResource(resource.NewSchemaless(
			attribute.String("service.namespace", "tandem"), attribute.String("service.name", kind),
			attribute.String("service.instance.id", x.options.Node), attribute.String("service.version", x.options.Version),
		)),
	)
	return &role{provider.Tracer("github.com/tandem-rtc/tandem"), x.options.Sample}
}

// Close sends what waits, for a while, and ends the exporter.
func (x *Exporter) Close() {
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	if err := x.processor.Shutdown(ctx); err != nil {
		x.options.Log.Info("the last traces were not sent", "error", err)
	}
}

// role is a bus.Tracer.
type role struct {
	tracer trace.Tracer
	share  float64
}

// Trace implements bus.Tracer.
func (r *role) Trace(s bus.Span) {
	id, ok := traceOf(s.Call)
	if !ok || !chosen(s.Call, r.share) {
		return
	}
	own, parent := parts(s)
	ctx := context.WithValue(context.Background(), idsKey{}, ids{id, own})
	if parent.IsValid() {
		ctx = trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: id, SpanID: parent, TraceFlags: trace.FlagsSampled, Remote: true,
		}))
	}
	kind, name := trace.SpanKindClient, string(s.Part)+" "+s.Name
	if s.Served {
		kind = trace.SpanKindServer
	}
	if s.Part == bus.PartCall {
		kind, name = trace.SpanKindInternal, "call"
	}
	_, span := r.tracer.Start(ctx, name, trace.WithTimestamp(s.Began), trace.WithSpanKind(kind), trace.WithAttributes(attributes(s)...))
	for _, stage := range s.Stages {
		span.AddEvent(stage.Name, trace.WithTimestamp(stage.At))
	}
	if s.Outcome != "ok" && s.Part != bus.PartCall {
		span.SetStatus(codes.Error, s.Outcome)
	}
	span.End(trace.WithTimestamp(s.Ended))
}

func attributes(s bus.Span) []attribute.KeyValue {
	out := []attribute.KeyValue{attribute.String("tandem.call", s.Call), attribute.String("tandem.outcome", s.Outcome)}
	for key, value := range map[string]string{"tandem.leg": s.Leg, "tandem.command": s.Command, "tandem.peer": s.Peer} {
		if value != "" {
			out = append(out, attribute.String(key, value))
		}
	}
	return out
}

// told is an exporter that logs what could not be sent, instead of where the
// library would.
type told struct {
	sdktrace.SpanExporter
	log *slog.Logger
}

// ExportSpans implements sdktrace.SpanExporter.
func (t told) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	if err := t.SpanExporter.ExportSpans(ctx, spans); err != nil {
		t.log.Warn("traces were not sent", "spans", len(spans), "error", err)
	}
	return nil
}
