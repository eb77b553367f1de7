module github.com/tandem-rtc/tandem/cmd/tandem

go 1.26.0

require (
	github.com/tandem-rtc/tandem v0.0.0
	github.com/tandem-rtc/tandem/adapters/grpcpipe v0.0.0
	github.com/tandem-rtc/tandem/adapters/sylkrtc v0.0.0
	github.com/tandem-rtc/tandem/services/console v0.0.0
	github.com/tandem-rtc/tandem/services/media v0.0.0
)

replace github.com/tandem-rtc/tandem => ../..

replace github.com/tandem-rtc/tandem/adapters/grpcpipe => ../../adapters/grpcpipe

replace github.com/tandem-rtc/tandem/adapters/sylkrtc => ../../adapters/sylkrtc

replace github.com/tandem-rtc/tandem/services/media => ../../services/media

replace github.com/tandem-rtc/tandem/services/console => ../../services/console
