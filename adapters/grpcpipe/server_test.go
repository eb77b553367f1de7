package grpcpipe

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	healthv1 "google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	wgtwo "github.com/tandem-rtc/tandem/adapters/grpcpipe/proto/wgtwo/annotations"
	"github.com/tandem-rtc/tandem/schema"
)

// A client that knows nothing but the address learns the vendor's contract:
// names, numbers and scopes, as testdata/wire.txt lists them.
func TestReflection(t *testing.T) {
	s := serve(t, newFakeHost())
	files := reflectFiles(t, s, "wgtwo.webterminal.v0.WebTerminalService")
	want, err := os.ReadFile("testdata/wire.txt")
	if err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for _, path := range []string{
		"wgtwo/annotations/annotations.proto", "wgtwo/common/v0/phonenumber.proto", "wgtwo/webterminal/v0/webterminal.proto",
	} {
		f, err := files.FindFileByPath(path)
		if err != nil {
			t.Fatal(err)
		}
		describe(&got, f)
	}
	if got.String() != string(want) {
		t.Errorf("reflection gives\n%s", got.String())
	}

	s = serve(t, newFakeHost(), func(c *Config) { c.Reflection = false })
	st, err := reflectionv1.NewServerReflectionClient(dial(t, s.addr)).ServerReflectionInfo(t.Context())
	if err == nil {
		_, err = st.Recv()
	}
	if err == nil {
		t.Error("reflection is on though it was turned off")
	}
}

// reflectFiles asks for the file of a symbol and all that it imports.
func reflectFiles(t *testing.T, s *server, symbol string) *protoregistry.Files {
	t.Helper()
	st, err := reflectionv1.NewServerReflectionClient(dial(t, s.addr)).ServerReflectionInfo(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ask := func(q *reflectionv1.ServerReflectionRequest) *reflectionv1.ServerReflectionResponse {
		t.Helper()
		if err := st.Send(q); err != nil {
			t.Fatal(err)
		}
		r, err := st.Recv()
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	services := ask(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{},
	}).GetListServicesResponse().GetService()
	if !strings.Contains(fmt.Sprint(services), symbol) {
		t.Errorf("services: %v", services)
	}
	r := ask(&reflectionv1.ServerReflectionRequest{
		MessageRequest: &reflectionv1.ServerReflectionRequest_FileContainingSymbol{FileContainingSymbol: symbol},
	})
	set := &descriptorpb.FileDescriptorSet{}
	for _, b := range r.GetFileDescriptorResponse().GetFileDescriptorProto() {
		f := &descriptorpb.FileDescriptorProto{}
		if err := proto.Unmarshal(b, f); err != nil {
			t.Fatal(err)
		}
		set.File = append(set.File, f)
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// describe lists what of a file travels.
func describe(b *strings.Builder, f protoreflect.FileDescriptor) {
	fmt.Fprintf(b, "%s package %s\n", f.Path(), f.Package())
	for i := range f.Extensions().Len() {
		x := f.Extensions().Get(i)
		fmt.Fprintf(b, "  extend %s %s %d %s\n", x.ContainingMessage().FullName(), x.Name(), x.Number(), x.Kind())
	}
	for i := range f.Messages().Len() {
		m := f.Messages().Get(i)
		for j := range m.Fields().Len() {
			x := m.Fields().Get(j)
			fmt.Fprintf(b, "  %s.%s %d ", m.Name(), x.Name(), x.Number())
			switch x.Kind() {
			case protoreflect.MessageKind:
				b.WriteString(string(x.Message().FullName()))
			case protoreflect.EnumKind:
				b.WriteString("enum " + string(x.Enum().FullName()))
			default:
				b.WriteString(x.Kind().String())
			}
			if x.ContainingOneof() != nil {
				fmt.Fprintf(b, " oneof %s", x.ContainingOneof().Name())
			}
			b.WriteString("\n")
		}
		for j := range m.ReservedRanges().Len() {
			fmt.Fprintf(b, "  %s reserved %d\n", m.Name(), m.ReservedRanges().Get(j)[0])
		}
		for j := range m.Enums().Len() {
			e := m.Enums().Get(j)
			for k := range e.Values().Len() {
				fmt.Fprintf(b, "  %s.%s %s %d\n", m.Name(), e.Name(), e.Values().Get(k).Name(), e.Values().Get(k).Number())
			}
		}
	}
	for i := range f.Services().Len() {
		s := f.Services().Get(i)
		for j := range s.Methods().Len() {
			m := s.Methods().Get(j)
			stream := map[bool]string{true: "stream "}
			fmt.Fprintf(b, "  rpc %s.%s %s%s returns %s%s scope %v\n", s.Name(), m.Name(),
				stream[m.IsStreamingClient()], m.Input().Name(), stream[m.IsStreamingServer()], m.Output().Name(),
				proto.GetExtension(m.Options(), wgtwo.E_Scope))
		}
	}
}

func TestHealth(t *testing.T) {
	s := serve(t, newFakeHost())
	c := healthv1.NewHealthClient(dial(t, s.addr))
	for _, name := range []string{"", "wgtwo.webterminal.v0.WebTerminalService"} {
		r, err := c.Check(t.Context(), &healthv1.HealthCheckRequest{Service: name})
		if err != nil || r.GetStatus() != healthv1.HealthCheckResponse_SERVING {
			t.Errorf("health of %q: %v, %v", name, r, err)
		}
	}
	if _, err := c.Check(t.Context(), &healthv1.HealthCheckRequest{Service: "another"}); status.Code(err) != codes.NotFound {
		t.Errorf("health of what is not here: %v", err)
	}
	if r, err := c.List(t.Context(), &healthv1.HealthListRequest{}); err != nil || len(r.GetStatuses()) != 2 {
		t.Errorf("health of all: %v, %v", r, err)
	}
}

// Pings without a stream are fine; faster than allowed they cost the
// connection (gRPC A8, ENHANCE_YOUR_CALM).
func TestPings(t *testing.T) {
	for limit, tooMany := range map[time.Duration]bool{time.Millisecond: false, time.Hour: true} {
		s := serve(t, newFakeHost(), func(c *Config) { c.PingMin = limit })
		conn := s.connect(t)
		if _, err := conn.Write([]byte(http2.ClientPreface)); err != nil {
			t.Fatal(err)
		}
		f := http2.NewFramer(conn, conn)
		if err := f.WriteSettings(); err != nil {
			t.Fatal(err)
		}
		pongs, scolded := 0, false
		tick := time.NewTicker(5 * time.Millisecond) // the pace of the pings
		defer tick.Stop()
		for pongs < 6 && !scolded {
			<-tick.C
			if err := f.WritePing(false, [8]byte{1}); err != nil {
				break
			}
			for {
				fr, err := f.ReadFrame()
				if err != nil {
					scolded = true
					break
				}
				if g, ok := fr.(*http2.GoAwayFrame); ok {
					scolded = g.ErrCode == http2.ErrCodeEnhanceYourCalm
					break
				}
				if p, ok := fr.(*http2.PingFrame); ok && p.IsAck() {
					pongs++
					break
				}
			}
		}
		if scolded != tooMany {
			t.Errorf("pings at 5 ms with a limit of %v: %d answered, connection lost: %v", limit, pongs, scolded)
		}
	}
}

// With a certificate the port speaks TLS, and a renewed one is taken up.
func TestTLS(t *testing.T) {
	dir := t.TempDir()
	files := TLS{Cert: filepath.Join(dir, "cert.pem"), Key: filepath.Join(dir, "key.pem")}
	first := writeCertificate(t, files, time.Now().Add(-time.Hour))
	s := serve(t, newFakeHost(), func(c *Config) { c.TLS = files })
	check := func(pool *x509.CertPool) error {
		conn := dial(t, s.addr, grpc.WithTransportCredentials(credentials.NewClientTLSFromCert(pool, "localhost")))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		defer cancel()
		_, err := healthv1.NewHealthClient(conn).Check(ctx, &healthv1.HealthCheckRequest{})
		return err
	}
	if err := check(first); err != nil {
		t.Fatal(err)
	}
	second := writeCertificate(t, files, time.Now())
	if err := check(second); err != nil {
		t.Errorf("renewed certificate: %v", err)
	}
	if err := os.WriteFile(files.Cert, []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := check(second); err != nil {
		t.Errorf("broken renewal: %v", err)
	}
	if _, err := files.Server(nil); err == nil {
		t.Error("broken files at the start are no error")
	}
}

// writeCertificate makes a key pair for localhost whose files were changed at a
// time.
func writeCertificate(t *testing.T, files TLS, changed time.Time) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(changed.UnixNano()), NotAfter: time.Now().Add(time.Hour),
		DNSNames: []string{"localhost"}, IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for name, block := range map[string]*pem.Block{
		files.Cert: {Type: "CERTIFICATE", Bytes: der}, files.Key: {Type: "PRIVATE KEY", Bytes: private},
	} {
		if err := os.WriteFile(name, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(name, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return pool
}

// Validate names the first field that cannot work.
func TestConfig(t *testing.T) {
	if err := Defaults().Validate(); err != nil {
		t.Fatal(err)
	}
	for field, change := range map[string]func(*Config){
		"listen":                     func(c *Config) { c.Listen = "9090" },
		"tls":                        func(c *Config) { c.TLS.Cert = "cert.pem" },
		"max_connections":            func(c *Config) { c.MaxConnections = 0 },
		"max_streams_per_subscriber": func(c *Config) { c.PerSubscriber = -1 },
		"max_message_bytes":          func(c *Config) { c.MaxMessage = c.MaxSDP - 1 },
		"rate":                       func(c *Config) { c.Rate = 0 },
		"write_timeout":              func(c *Config) { c.WriteTimeout = 0 },
		"max_age":                    func(c *Config) { c.MaxAge = -time.Second },
	} {
		c := Defaults()
		change(c)
		err := c.Validate()
		var e *schema.Error
		if err == nil {
			t.Errorf("%s: no error", field)
		} else if e, _ = err.(*schema.Error); e == nil || e.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
	c := Defaults()
	c.TLS = TLS{Cert: "/nonexistent", Key: "/nonexistent"}
	if err := New(c, newFakeHost()).Run(t.Context(), func() { t.Error("ready") }); err == nil {
		t.Error("Run without its certificate is no error")
	}
}

// Two adapters cannot listen on one port; the second says so.
func TestPortTaken(t *testing.T) {
	s := serve(t, newFakeHost())
	c := Defaults()
	c.Listen = s.addr
	if err := New(c, newFakeHost()).Run(t.Context(), func() { t.Error("ready") }); err == nil {
		t.Error("no error")
	}
}
