module github.com/tandem-rtc/tandem/adapters/grpcpipe

go 1.26.0

require github.com/tandem-rtc/tandem v0.0.0

replace github.com/tandem-rtc/tandem => ../..
