module github.com/tandem-rtc/tandem/adapters/sylkrtc

go 1.26.0

require (
	github.com/tandem-rtc/tandem v0.0.0
	google.golang.org/protobuf v1.36.12
)

require github.com/coder/websocket v1.8.15

replace github.com/tandem-rtc/tandem => ../..
