package grpcpipe

import (
	"context"
	"slices"
	"strings"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// maxToken bounds what is sent to the directory; the vendor's JWTs have about
// 1 kB.
const maxToken = 8 << 10

// bearer reads a stream's metadata: "authorization: Bearer <token>" and,
// where the token does not bind a number itself, "wg2-msisdn". Errors are gRPC
// statuses.
func bearer(ctx context.Context) (*callv1.Credentials, error) {
	md, _ := metadata.FromIncomingContext(ctx)
	auth := md.Get("authorization")
	if len(auth) != 1 {
		return nil, status.Error(codes.Unauthenticated, "one authorization header with a bearer token is needed")
	}
	scheme, token, _ := strings.Cut(auth[0], " ")
	token = strings.TrimSpace(token)
	// RFC 9110 section 11.1: the scheme's case does not matter.
	if !strings.EqualFold(scheme, "bearer") || token == "" || len(token) > maxToken {
		return nil, status.Error(codes.Unauthenticated, "one authorization header with a bearer token is needed")
	}
	b := &callv1.Bearer{Token: token}
	// A client without a number may send the header all the same, with nothing
	// in it.
	numbers := slices.DeleteFunc(md.Get("wg2-msisdn"), func(s string) bool { return strings.TrimSpace(s) == "" })
	switch len(numbers) {
	case 0:
	case 1:
		number, ok := number(numbers[0])
		if !ok {
			return nil, status.Error(codes.InvalidArgument, "wg2-msisdn is not a telephone number")
		}
		b.Msisdn = number.E164()
	default:
		return nil, status.Error(codes.InvalidArgument, "more than one wg2-msisdn")
	}
	return &callv1.Credentials{Proof: &callv1.Credentials_Bearer{Bearer: b}}, nil
}

// number reads a telephone number with or without its plus sign: metadata has
// none, message fields have one.
func number(s string) (schema.Address, bool) {
	s = strings.TrimSpace(s)
	if !strings.HasPrefix(s, "+") {
		s = "+" + s
	}
	a, err := schema.ParseAddress("tel:" + s)
	return a, err == nil
}
