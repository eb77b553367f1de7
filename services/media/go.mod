module github.com/tandem-rtc/tandem/services/media

go 1.26.0

require github.com/tandem-rtc/tandem v0.0.0

replace github.com/tandem-rtc/tandem => ../..
