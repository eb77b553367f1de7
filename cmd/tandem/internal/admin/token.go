package admin

import (
	"crypto/subtle"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tandem-rtc/tandem/adapters/kit/port"
	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/directory/attempts"
)

// retryAfter is what a peer over the rate of wrong tokens is told to wait.
const retryAfter = time.Minute

// hasToken reports whether a request has the right token.
func (s *Server) hasToken(r *http.Request) bool {
	token, ok := bearer(r)
	return ok && subtle.ConstantTimeCompare([]byte(token), []byte(s.cfg.Token)) == 1
}

func bearer(r *http.Request) (token string, ok bool) {
	return strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
}

// wrongToken answers a request without the right token. The right one is taken
// whatever was counted, so that nobody can lock the operator out; whoever guesses
// is not logged beyond the rate, and needs a new connection for each guess.
func (s *Server) wrongToken(w http.ResponseWriter, r *http.Request) {
	peer, now := port.Peer(r.RemoteAddr).String(), time.Now()
	if _, guessed := bearer(r); guessed {
		if !within(s.cfg.WrongTokens, peer, now) || !within(s.cfg.AllWrongTokens, "", now) {
			s.refused("rate")
			w.Header().Set("Connection", "close")
			w.Header().Set("Retry-After", strconv.Itoa(int(retryAfter.Seconds())))
			refuse(w, schema.Errorf(callv1.Code_CODE_RATE_LIMITED, "too many wrong tokens"))
			return
		}
		s.cfg.Log.Warn("wrong token on the operator's port", "peer", peer)
	}
	s.refused("token")
	w.Header().Set("WWW-Authenticate", "Bearer")
	refuse(w, schema.Errorf(callv1.Code_CODE_UNAUTHENTICATED, "the API wants admin.token as a bearer token"))
}

// within counts a wrong token, and reports whether it is within a limit.
func within(l *attempts.Limiter, key string, now time.Time) bool {
	if l == nil {
		return true
	}
	if !l.Allowed(key, now) {
		return false
	}
	l.Failed(key, now)
	return true
}
