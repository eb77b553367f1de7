package matrix

import (
	"context"
	"testing"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/kittest"
	"github.com/tandem-rtc/tandem/adapters/matrix/matrixtest"
)

// TestWhoCallsIsToldLate: a homeserver that takes the invite, and longer for who calls
// than the invite may take, is told that too.
func TestWhoCallsIsToldLate(t *testing.T) {
	kt := kittest.FromT(t)
	s := newSite(kt, t.TempDir())
	n := kittest.NewExchange(kt, kittest.ExchangeConfig{}).Node("n1", nodesAt(matrixtest.V1, func(kittest.T) *site { return s })(kt))
	alice, _ := n.SignIn(kittest.Alice)
	bob, _ := n.SignIn(kittest.Bob)
	s.home.LimitAfter(1, 1, 1500*time.Millisecond)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if _, err := alice.Call(ctx, kittest.Bob, kittest.SDP("offer")); err != nil {
		t.Fatal(err)
	}
	rings, err := bob.Incoming(ctx)
	if err != nil {
		t.Fatalf("who calls was not told: %v", err)
	}
	if from, ok := rings.(interface{ From() string }); !ok || from.From() != "sip:"+kittest.Alice.AOR {
		t.Errorf("the caller is %q", from.From())
	}
}
