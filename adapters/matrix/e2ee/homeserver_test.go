//go:build goolm

package e2ee

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"maunium.net/go/mautrix"
	"maunium.net/go/mautrix/event"
	"maunium.net/go/mautrix/id"
)

const asToken = "token-of-the-application-service"

// homeserver is as much of one as end-to-end encryption needs.
type homeserver struct {
	*httptest.Server
	mu      sync.Mutex
	changed chan struct{} // closed when there is something for a /sync
	serial  int
	logins  int
	down    bool
	tokens  map[string]inbox // by access token
	inboxes map[inbox]*[]message
	keys    map[id.UserID]map[id.DeviceID]mautrix.DeviceKeys
	oneTime map[inbox]map[id.KeyID]mautrix.OneTimeKey
	master  map[id.UserID]mautrix.CrossSigningKeys
	self    map[id.UserID]mautrix.CrossSigningKeys
	lists   []change
	signed  map[inbox]int
	lose    func(kind string) bool // to-device messages not to deliver
}

type inbox struct {
	user   id.UserID
	device id.DeviceID
}

type message struct {
	serial  int
	Type    string          `json:"type"`
	Sender  id.UserID       `json:"sender"`
	Content json.RawMessage `json:"content"`
}

type change struct {
	serial int
	user   id.UserID
}

func newHomeserver(t *testing.T) *homeserver {
	h := &homeserver{
		changed: make(chan struct{}), tokens: map[string]inbox{}, inboxes: map[inbox]*[]message{},
		keys: map[id.UserID]map[id.DeviceID]mautrix.DeviceKeys{}, oneTime: map[inbox]map[id.KeyID]mautrix.OneTimeKey{},
		master: map[id.UserID]mautrix.CrossSigningKeys{}, self: map[id.UserID]mautrix.CrossSigningKeys{}, signed: map[inbox]int{},
		lose: func(string) bool { return false },
	}
	mux := http.NewServeMux()
	for path, f := range map[string]func(inbox, *http.Request) any{
		"POST /_matrix/client/v3/login":                                   h.login,
		"POST /_matrix/client/v3/keys/upload":                             h.upload,
		"POST /_matrix/client/v3/keys/query":                              h.query,
		"POST /_matrix/client/v3/keys/claim":                              h.claim,
		"POST /_matrix/client/v3/keys/device_signing/upload":              h.identity,
		"POST /_matrix/client/v3/keys/signatures/upload":                  h.signatures,
		"PUT /_matrix/client/v3/sendToDevice/{type}/{txn}":                h.send,
		"GET /_matrix/client/v3/rooms/{room}/state/m.room.encryption/{$}": h.state,
		"GET /_matrix/client/v3/rooms/{room}/state/m.room.encryption":     h.state,
		"GET /_matrix/client/v3/sync":                                     h.sync,
	} {
		mux.HandleFunc(path, h.handle(f))
	}
	h.Server = httptest.NewServer(mux)
	t.Cleanup(h.Close)
	return h
}

func (h *homeserver) handle(f func(inbox, *http.Request) any) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		token := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
		h.mu.Lock()
		who, ok := h.tokens[token]
		down := h.down
		h.mu.Unlock()
		switch {
		case down:
			http.Error(w, "{}", http.StatusBadGateway)
		case !ok && token != asToken:
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"errcode":"M_UNKNOWN_TOKEN"}`)
		default:
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(f(who, r))
		}
	}
}

func body[T any](r *http.Request) (v T) {
	_ = json.NewDecoder(r.Body).Decode(&v)
	return v
}

// bump wakes those who wait in a /sync. The caller holds mu.
func (h *homeserver) bump() int {
	h.serial++
	close(h.changed)
	h.changed = make(chan struct{})
	return h.serial
}

func (h *homeserver) set(f func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	f()
}

func (h *homeserver) login(_ inbox, r *http.Request) any {
	req := body[mautrix.ReqLogin](r)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.logins++
	who := inbox{id.UserID(req.Identifier.User), req.DeviceID}
	maps.DeleteFunc(h.tokens, func(_ string, other inbox) bool { return other == who })
	token := fmt.Sprintf("token-%d", h.logins)
	h.tokens[token] = who
	if h.inboxes[who] == nil {
		h.inboxes[who] = &[]message{}
		h.oneTime[who] = map[id.KeyID]mautrix.OneTimeKey{}
	}
	return mautrix.RespLogin{AccessToken: token, UserID: who.user, DeviceID: who.device}
}

func (h *homeserver) upload(who inbox, r *http.Request) any {
	req := body[mautrix.ReqUploadKeys](r)
	h.mu.Lock()
	defer h.mu.Unlock()
	if req.DeviceKeys != nil {
		if h.keys[who.user] == nil {
			h.keys[who.user] = map[id.DeviceID]mautrix.DeviceKeys{}
		}
		h.keys[who.user][who.device] = *req.DeviceKeys
		h.lists = append(h.lists, change{h.bump(), who.user})
	}
	maps.Copy(h.oneTime[who], req.OneTimeKeys)
	return mautrix.RespUploadKeys{OneTimeKeyCounts: mautrix.OTKCount{SignedCurve25519: len(h.oneTime[who])}}
}

func (h *homeserver) query(_ inbox, r *http.Request) any {
	req := body[mautrix.ReqQueryKeys](r)
	h.mu.Lock()
	defer h.mu.Unlock()
	resp := map[string]any{}
	devices := map[id.UserID]map[id.DeviceID]mautrix.DeviceKeys{}
	for user := range req.DeviceKeys {
		devices[user] = maps.Clone(h.keys[user])
		if devices[user] == nil {
			devices[user] = map[id.DeviceID]mautrix.DeviceKeys{}
		}
	}
	resp["device_keys"], resp["master_keys"], resp["self_signing_keys"] = devices, maps.Clone(h.master), maps.Clone(h.self)
	out, _ := json.Marshal(resp)
	return json.RawMessage(out)
}

func (h *homeserver) claim(_ inbox, r *http.Request) any {
	req := body[mautrix.ReqClaimKeys](r)
	h.mu.Lock()
	defer h.mu.Unlock()
	resp := mautrix.RespClaimKeys{OneTimeKeys: map[id.UserID]map[id.DeviceID]map[id.KeyID]mautrix.OneTimeKey{}}
	for user, devices := range req.OneTimeKeys {
		resp.OneTimeKeys[user] = map[id.DeviceID]map[id.KeyID]mautrix.OneTimeKey{}
		for device := range devices {
			who := inbox{user, device}
			for name, key := range h.oneTime[who] {
				delete(h.oneTime[who], name)
				resp.OneTimeKeys[user][device] = map[id.KeyID]mautrix.OneTimeKey{name: key}
				h.bump()
				break
			}
		}
	}
	return resp
}

func (h *homeserver) identity(who inbox, r *http.Request) any {
	req := body[mautrix.UploadCrossSigningKeysReq[any]](r)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.master[who.user], h.self[who.user] = req.Master, req.SelfSigning
	return struct{}{}
}

func (h *homeserver) signatures(who inbox, _ *http.Request) any {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.signed[who]++
	return struct{}{}
}

func (h *homeserver) state(inbox, *http.Request) any {
	return event.EncryptionEventContent{Algorithm: id.AlgorithmMegolmV1, RotationPeriodMessages: 50}
}

func (h *homeserver) send(who inbox, r *http.Request) any {
	req := body[struct {
		Messages map[id.UserID]map[id.DeviceID]json.RawMessage `json:"messages"`
	}](r)
	kind := r.PathValue("type")
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.lose(kind) {
		return struct{}{}
	}
	for user, devices := range req.Messages {
		for device, content := range devices {
			for to, box := range h.inboxes {
				if to.user == user && (device == "*" || to.device == device) {
					*box = append(*box, message{serial: h.bump(), Type: kind, Sender: who.user, Content: content})
				}
			}
		}
	}
	return struct{}{}
}

func (h *homeserver) sync(who inbox, r *http.Request) any {
	since, _ := strconv.Atoi(r.FormValue("since"))
	wait, _ := strconv.Atoi(r.FormValue("timeout"))
	timeout := time.After(time.Duration(wait) * time.Millisecond)
	for {
		h.mu.Lock()
		if h.tokens[strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")] != who { // logged out
			h.mu.Unlock()
			return map[string]any{"next_batch": strconv.Itoa(max(since, 1))}
		}
		box := h.inboxes[who]
		*box = slices.DeleteFunc(*box, func(m message) bool { return m.serial <= since })
		messages, serial, changed, left := slices.Clone(*box), h.serial, h.changed, len(h.oneTime[who])
		var users []id.UserID
		for _, c := range h.lists {
			if c.serial > since && since > 0 {
				users = append(users, c.user)
			}
		}
		h.mu.Unlock()
		ready := len(messages) > 0 || len(users) > 0 || left < 50
		if !ready {
			select {
			case <-changed:
				continue
			case <-timeout:
			case <-r.Context().Done():
			}
		}
		return map[string]any{
			"next_batch":                 strconv.Itoa(max(serial, 1)),
			"to_device":                  map[string]any{"events": messages},
			"device_lists":               map[string]any{"changed": users},
			"device_one_time_keys_count": map[string]int{"signed_curve25519": left},
		}
	}
}
