package schema

// Limits bound what a message may hold. A zero field means its default, so
// Limits{} are the defaults; sizes are bytes.
type Limits struct {
	// SDP is the longest session description: 64 KiB. A browser's offer of
	// audio and video takes 6 KiB.
	SDP int
	// Ref is the longest reference of a terminal's own: 255.
	Ref int
	// Subscriber is the longest subscriber id: 128.
	Subscriber int
	// DisplayName is the longest display name: 255.
	DisplayName int
	// Addresses is the largest number of addresses of a party: 32.
	Addresses int
	// Headers is the largest number of headers: 32.
	Headers int
	// HeaderName is the longest header name: 64.
	HeaderName int
	// HeaderValue is the longest header value: 4 KiB.
	HeaderValue int
	// HeadersTotal is the largest sum of all names and values: 16 KiB.
	HeadersTotal int
	// Candidates is the largest number of candidates in a signal: 64.
	Candidates int
	// Candidate is the longest candidate: 1 KiB.
	Candidate int
	// Detail is the longest free text for the ladder: 1 KiB.
	Detail int
	// Secret is the longest token, password or digest: 8 KiB.
	Secret int
	// Ops is the largest number of operations in a media command: 64.
	Ops int
	// DtmfMillis is the longest DTMF digit in milliseconds: 10,000.
	DtmfMillis int
}

// withDefaults fills in what is zero.
func (l Limits) withDefaults() Limits {
	for _, f := range []struct {
		field *int
		value int
	}{
		{&l.SDP, 64 << 10},
		{&l.Ref, 255},
		{&l.Subscriber, 128},
		{&l.DisplayName, 255},
		{&l.Addresses, 32},
		{&l.Headers, 32},
		{&l.HeaderName, 64},
		{&l.HeaderValue, 4 << 10},
		{&l.HeadersTotal, 16 << 10},
		{&l.Candidates, 64},
		{&l.Candidate, 1 << 10},
		{&l.Detail, 1 << 10},
		{&l.Secret, 8 << 10},
		{&l.Ops, 64},
		{&l.DtmfMillis, 10_000},
	} {
		if *f.field == 0 {
			*f.field = f.value
		}
	}
	return l
}

// DefaultLimits gives the defaults as numbers.
func DefaultLimits() Limits { return Limits{}.withDefaults() }
