package sylkrtc

import (
	"encoding/json"
	"testing"

	"github.com/tandem-rtc/tandem/adapters/kit"
	"github.com/tandem-rtc/tandem/adapters/sylkrtc/internal/mailbox"
)

// FuzzMessagingRequests: what is taken of a client is bounded and can be written
// again, for other clients, as JSON that they can read.
func FuzzMessagingRequests(f *testing.F) {
	for _, s := range []string{
		`{"sylkrtc":"account-message","transaction":"t","account":"a@b.c","uri":"sip:d@e.f","message_id":"m","content":"x","content_type":"text/plain; charset=utf-8","timestamp":"2026-01-02T03:04:05.678Z","metadata":"{}"}`,
		`{"sylkrtc":"account-message","transaction":"t","account":"a@b.c","uri":"+12025550101@b.c","message_id":"m","content":"\u0000\ud800","content_type":"a/b","timestamp":"2026-01-02T03:04:05+01:00","metadata":7}`,
		`{"sylkrtc":"session-message","transaction":"t","session":"s","message_id":"m","content":"x","content_type":"text/html","timestamp":"2026-01-02T03:04:05Z"}`,
		`{"sylkrtc":"account-disposition-notification","transaction":"t","account":"a@b.c","uri":"d@E.f","message_id":"m","state":"displayed","timestamp":"2026-01-02T03:04:05Z"}`,
		`{"sylkrtc":"account-sync-conversations","transaction":"t","account":"a@b.c","message_id":null,"since":"2026-01-02T03:04:05Z","limit":10}`,
		`{"sylkrtc":"account-mark-conversation-read","transaction":"t","account":"a@b.c","contact":"d@e.f"}`,
		`{"sylkrtc":"account-remove-conversation","transaction":"t","account":"a@b.c","contact":"d@e.f"}`,
		`{"sylkrtc":"account-remove-message","transaction":"t","account":"a@b.c","message_id":"m","contact":"d@e.f"}`,
		`{"sylkrtc":"account-fetch-addressbook","transaction":"t","account":"a@b.c"}`,
		`{"sylkrtc":"account-update-addressbook","transaction":"t","account":"a@b.c","action":"add","type":"contact","data":{"id":"c","name":"n","uris":[{"uri":"u"}],"default_uri":null}}`,
		`{"sylkrtc":"account-update-addressbook","transaction":"t","account":"a@b.c","action":"delete","type":"group","data":"g"}`,
		`{"sylkrtc":"account-devicetoken","transaction":"t","account":"a@b.c","token":"x-y","platform":"ios","device":"d","silent":true,"app":"a"}`,
		`{"sylkrtc":"lookup-public-key","transaction":"t","uri":"a@b.c"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		fr, err := parse(v2, text)
		if err != nil {
			return
		}
		switch r := fr.body.(type) {
		case *accountMessage:
			checkWritten(t, &r.written)
			if it := outgoingOf(r); it.Contact == "" {
				t.Errorf("no contact of %q", r.uri)
			}
			readable(t, event{"account", r.account, fieldsOf(sentOf(r.account, outgoingOf(r)))})
		case *sessionMessage:
			checkWritten(t, &r.written)
		case *disposition:
			if senderOf(r.uri) == "" || !after(stateAccepted, r.state) {
				t.Errorf("%+v", r)
			}
			readable(t, event{"account", r.account, fieldsOf(dispositionOf(r.id, r.timestamp, r.state, 200, ""))})
		case *syncConversations:
			if r.limit < 0 || r.limit > defaultSync || len(r.id) > maxMessageID {
				t.Errorf("%+v", r)
			}
			r.entries([]mailbox.Item{{ID: r.id, Created: 1}, {ID: "x", Created: 2}})
		case *updateBook:
			var b book
			if err := b.apply(r, 10); err != nil {
				t.Errorf("%v", err)
			}
			if r.action != "delete" && (len(b.Contacts)+len(b.Groups)+len(b.Policies) != 1 || !json.Valid(r.data) || idOf(r.data) != r.id) {
				t.Errorf("the book is %+v after %s", b, r.data)
			}
		case *deviceToken:
			if r.token == "" || len(r.token) > maxToken || len(r.device) > maxDevice || len(r.app) > maxDevice {
				t.Errorf("%+v", r)
			}
		case *lookupKey:
			readable(t, keyFound{r.uri, r.uri})
		}
	})
}

func checkWritten(t *testing.T, w *written) {
	t.Helper()
	if w.id == "" || len(w.id) > maxMessageID || len(w.contentType) > maxContentType || len(w.timestamp) > maxTimestamp || len(w.metadata) > maxMetadata {
		t.Errorf("%+v", w)
	}
	reserved(w.contentType)
	readable(t, event{"session", "s", fieldsOf(messageOf(&mailbox.Item{
		ID: w.id, Content: w.content, ContentType: w.contentType, Timestamp: w.timestamp, Metadata: w.metadata}))})
}

func readable(t *testing.T, m message) {
	t.Helper()
	text, ok := m.encode(v2)
	if !ok || !json.Valid(text) {
		t.Errorf("written as %q, %v", text, ok)
	}
	if text, ok := m.encode(v1); ok {
		t.Errorf("sylkRTC-1 is told %q", text)
	}
}

// FuzzBox: whatever the store holds, a node goes on.
func FuzzBox(f *testing.F) {
	f.Add([]byte(`{"account":"sip:a@b","n":3,"tells":[{"n":2,"kind":"event","body":{"event":"x"}},{"n":3,"kind":"message","ref":{"id":"m","contact":"c"}}],"waiting":[{"id":"m","contact":"c"}]}`))
	f.Add([]byte(`{"n":1,"tells":[{"n":1,"kind":"event","body":7},{"kind":"dialog-state","body":"x"},{"kind":"flash"},{"kind":"dialog"},{"kind":"sent"}]}`))
	f.Add([]byte(`[]`))
	f.Fuzz(func(t *testing.T, text []byte) {
		h := newFakeHost()
		cfg := Defaults()
		a := newAdapter(cfg, h)
		p := &peer{a: a, v: v2}
		p.in.init(1, 1, p.carryOut)
		p.out.init(1000, 0, func(o outbound) {
			if o.text != nil && !json.Valid(o.text) {
				t.Errorf("the client is told %q", o.text)
			}
			o.report(nil)
		})
		aor, _ := parseAOR("a@b.example")
		acct := &account{p: p, name: "a@b.example", aor: aor, rings: true}
		l := &line{key: mailbox.Key(aor.String()), owner: aor.String(), account: aor.String(), members: []*account{acct}, known: true, ready: make(chan struct{})}
		a.messaging.lines[l.key] = l
		l.running = true // no goroutine: the test is it
		a.messaging.changed(kit.Item{Key: mailbox.Prefix + "/" + l.key, Value: text})
		if err := a.messaging.turn(l, nil, true); err != nil {
			t.Error(err)
		}
		p.out.wait()
	})
}
