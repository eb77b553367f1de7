package sylkrtc

import (
	"errors"
	"time"
)

// longestPace bounds how long a request that must pass waits for its turn.
const longestPace = 100 * time.Millisecond

// mustPass names the requests that no limit drops: a call that is answered or
// hung up too late is a call that went wrong, and the sessions that a
// connection may have bound how many there are.
func mustPass(body any) bool {
	switch body.(type) {
	case *sessionTerminate, *sessionAnswer:
		return true
	}
	return false
}

// pace holds reading up for a request over the rate that must pass. One for a
// session that lives does not wait: there are only so many of those.
func (p *peer) pace(body any) {
	id := ""
	switch r := body.(type) {
	case *sessionTerminate:
		id = r.session
	case *sessionAnswer:
		id = r.session
	}
	if s, state := p.session(id); s != nil && state != terminated {
		return
	}
	wait := time.NewTimer(min(time.Duration(float64(time.Second)/p.a.cfg.Rate), longestPace))
	defer wait.Stop()
	select {
	case <-wait.C:
	case <-p.ctx.Done():
	}
}

// tooMany refuses a request over the rate. Who never stops is disconnected.
// Clients give a call up when a trickle gets an error, and a call can do without
// some candidates: it is acked and dropped.
func (p *peer) tooMany(fr *frame, err error) bool {
	p.over++
	p.a.host.Metrics().Count("rate_limited", 1)
	if p.over == 1 {
		p.a.log.Info("too many requests", "remote", p.remote)
	}
	if p.over > 4*p.a.cfg.Burst {
		return p.disconnect("too many requests")
	}
	if fr != nil {
		if r, ok := fr.body.(*sessionTrickle); ok {
			p.a.host.Metrics().Count("candidates_dropped", len(r.candidates))
			return p.in.pushWait(ack{fr.transaction}, 0)
		}
	}
	if t := transactionIn(fr, err); t != "" {
		return p.in.pushWait(failure{t, textTooMany}, len(textTooMany))
	}
	return true
}

func transactionIn(fr *frame, err error) string {
	var bad *badFrame
	var wrong *badField
	switch {
	case fr != nil:
		return fr.transaction
	case errors.As(err, &bad):
		return bad.transaction
	case errors.As(err, &wrong):
		return wrong.transaction
	}
	return ""
}

// bucket is a token bucket.
type bucket struct {
	level float64
	at    time.Time
}

func (b *bucket) take(rate float64, burst int, now time.Time) bool {
	b.level = min(b.level+rate*now.Sub(b.at).Seconds(), float64(burst))
	b.at = now
	if b.level < 1 {
		return false
	}
	b.level--
	return true
}

// strikes counts what should not happen; one is forgiven for every forgiveAfter.
type strikes struct {
	n     int
	since time.Time // when the last was forgiven, or the first came
}

const forgiveAfter = 10 * time.Second

// add counts one more and gives how many there are.
func (s *strikes) add(now time.Time) int {
	if forgiven := int(now.Sub(s.since) / forgiveAfter); forgiven >= s.n {
		s.n, s.since = 0, now
	} else {
		s.n -= forgiven
		s.since = s.since.Add(time.Duration(forgiven) * forgiveAfter)
	}
	s.n++
	return s.n
}
