module github.com/tandem-rtc/tandem/services/directory/jwt

go 1.26.0

require (
	github.com/go-jose/go-jose/v4 v4.1.4
	github.com/tandem-rtc/tandem v0.0.0
)

require google.golang.org/protobuf v1.36.12 // indirect

replace github.com/tandem-rtc/tandem => ../../..
