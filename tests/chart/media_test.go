package chart

import (
	"fmt"
	"slices"
	"testing"
)

// What a media pod announces, by what the chart is told. An address may turn out to
// be IPv6, so one with a port is in brackets.
func TestAnnounced(t *testing.T) {
	for set, want := range map[string]string{
		"media.replicas=2":                                  "[$(HOST_IP)]:3079$(POD_INDEX),$(POD_IP)",
		"media.announcePodIP=false":                         "[$(HOST_IP)]:3079$(POD_INDEX)",
		"media.exposure=none":                               "$(POD_IP)",
		"media.exposure=hostNetwork":                        "$(HOST_IP)",
		"media.externalAddress=media-{ordinal}.example.org": "[media-$(POD_INDEX).example.org]:3079$(POD_INDEX),$(POD_IP)",
		`media.externalAddress=192.0.2.1\,2001:db8::1`:      "[192.0.2.1]:3079$(POD_INDEX),[2001:db8::1]:3079$(POD_INDEX),$(POD_IP)",
		`media.exposure=loadBalancer,media.externalAddress=192.0.2.1{ordinal}\,2001:db8::1{ordinal}`: "192.0.2.1$(POD_INDEX),2001:db8::1$(POD_INDEX),$(POD_IP)",
	} {
		spec := pods(t, render(t, "testdata/values/minimal.yaml", "--set", "networkPolicy.nodeCIDRs={10.0.0.0/24},"+set))["phone-tandem-media"]
		got := map[string]string{}
		for _, e := range list(at(list(spec["containers"])[0], "env")) {
			got[fmt.Sprint(at(e, "name"))] = fmt.Sprint(at(e, "value"))
		}
		if got["TANDEM_MEDIA_EXTERNAL_IP"] != want || got["TANDEM_MEDIA_LISTEN"] != "[::]:7900" {
			t.Errorf("%s: %s at %s instead of %s", set, got["TANDEM_MEDIA_EXTERNAL_IP"], got["TANDEM_MEDIA_LISTEN"], want)
		}
	}
}

// Media of live calls goes on while a pod takes no new ones, so its way in stays.
func TestMediaOfPodsThatAreNotReady(t *testing.T) {
	for _, file := range []string{"minimal", "tls"} {
		found := 0
		for _, o := range objects(t, render(t, "testdata/values/"+file+".yaml")) {
			if o["kind"] != "Service" || !slices.Contains([]string{"phone-tandem-media-0", "phone-tandem-media-1"}, fmt.Sprint(at(o, "metadata", "name"))) {
				continue
			}
			found++
			if at(o, "spec", "publishNotReadyAddresses") != true {
				t.Errorf("%s: %v", file, o)
			}
		}
		if found != 2 {
			t.Errorf("%s: %d services", file, found)
		}
	}
}
