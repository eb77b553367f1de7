package matrix

import (
	"net/http"
	"slices"
	"strings"

	"maunium.net/go/mautrix/id"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
)

// Look-ups of the dial pad (Matrix application service API, "Third-party networks").
// A client asks for the user of a number, makes a room with it and calls there.

// fieldPhone is the field that holds what was dialled.
const fieldPhone = "m.id.phone"

type thirdpartyField struct {
	Regexp      string `json:"regexp"`
	Placeholder string `json:"placeholder"`
}

type thirdpartyInstance struct {
	Description string            `json:"desc"`
	NetworkID   string            `json:"network_id"`
	Fields      map[string]string `json:"fields"`
}

type thirdpartyProtocol struct {
	UserFields     []string                   `json:"user_fields"`
	LocationFields []string                   `json:"location_fields"`
	Icon           string                     `json:"icon"`
	FieldTypes     map[string]thirdpartyField `json:"field_types"`
	Instances      []thirdpartyInstance       `json:"instances"`
}

type thirdpartyUser struct {
	User     id.UserID         `json:"userid"`
	Protocol string            `json:"protocol"`
	Fields   map[string]string `json:"fields"`
}

func (a *Adapter) thirdparty(mux *http.ServeMux) {
	for _, version := range []string{"v1", "unstable"} { // older homeservers ask for the latter
		a.thirdpartyAt(mux, "GET /_matrix/app/"+version+"/thirdparty")
	}
}

func (a *Adapter) thirdpartyAt(mux *http.ServeMux, base string) {
	mux.HandleFunc(base+"/protocol/{protocol}", a.authorised(func(w http.ResponseWriter, r *http.Request) {
		if !slices.Contains(protocols(), r.PathValue("protocol")) {
			refuse(w, http.StatusNotFound, "M_NOT_FOUND", "Unknown protocol")
			return
		}
		reply(w, thirdpartyProtocol{
			UserFields: []string{fieldPhone}, LocationFields: []string{}, Icon: "",
			FieldTypes: map[string]thirdpartyField{fieldPhone: {Regexp: `\+?[0-9() .-]+|.+@.+`, Placeholder: "+12025550123"}},
			Instances:  []thirdpartyInstance{{Description: "Telephone", NetworkID: a.reg.ID, Fields: map[string]string{}}},
		})
	}))
	mux.HandleFunc(base+"/user/{protocol}", a.authorised(a.lookUpUser))
	mux.HandleFunc(base+"/user", a.authorised(a.reverseUser))
	for _, path := range []string{"/location/{protocol}", "/location"} {
		mux.HandleFunc(base+path, a.authorised(func(w http.ResponseWriter, _ *http.Request) { reply(w, []struct{}{}) }))
	}
}

// lookUpUser finds the ghost of a number or address.
func (a *Adapter) lookUpUser(w http.ResponseWriter, r *http.Request) {
	protocol, dialled := r.PathValue("protocol"), strings.TrimSpace(r.URL.Query().Get(fieldPhone))
	if !slices.Contains(protocols(), protocol) {
		refuse(w, http.StatusNotFound, "M_NOT_FOUND", "Unknown protocol")
		return
	}
	if allDigits(dialled) { // clients leave out the plus sign of a number
		dialled = "+" + dialled
	}
	ghost, err := a.makeGhost(r, dialled)
	switch {
	case err == nil:
		reply(w, []thirdpartyUser{{User: ghost, Protocol: protocol, Fields: map[string]string{fieldPhone: dialled}}})
	case again(err):
		refuse(w, http.StatusServiceUnavailable, "M_UNKNOWN", "Not now; try again")
	default:
		reply(w, []thirdpartyUser{})
	}
}

// makeGhost gives the ghost of what was dialled, if that is somebody.
func (a *Adapter) makeGhost(r *http.Request, dialled string) (id.UserID, error) {
	to, err := schema.ParseDialled(dialled, "")
	if err != nil {
		return "", err //nolint:wrapcheck // a *schema.Error
	}
	ghost, ok := a.ghost(to)
	t := a.serving()
	if !ok {
		return "", schema.Errorf(callv1.Code_CODE_NOT_FOUND, "matrix: no ghost stands for %s", to)
	}
	if t == nil || !t.enter() {
		return "", schema.Errorf(callv1.Code_CODE_RETRY, "matrix: this node stands by")
	}
	defer t.leave()
	p, err := a.host.LookUp(r.Context(), to.String())
	if err != nil {
		return "", err //nolint:wrapcheck // has a code
	}
	return ghost, t.ensureGhost(r.Context(), ghost, shownName(p))
}

// reverseUser gives the number of a ghost.
func (a *Adapter) reverseUser(w http.ResponseWriter, r *http.Request) {
	user := id.UserID(r.URL.Query().Get("userid"))
	of, ok := a.ghostOf(user)
	if !ok {
		reply(w, []thirdpartyUser{})
		return
	}
	number := of.E164()
	if number == "" {
		number = of.AOR()
	}
	out := make([]thirdpartyUser, 0, len(protocols()))
	for _, p := range protocols() {
		out = append(out, thirdpartyUser{User: user, Protocol: p, Fields: map[string]string{fieldPhone: number}})
	}
	reply(w, out)
}

// userQuery answers whether a user of the namespace exists, and makes it if it
// stands for somebody.
func (a *Adapter) userQuery(w http.ResponseWriter, r *http.Request) {
	of, ok := a.ghostOf(id.UserID(r.PathValue("user")))
	err := error(schema.Errorf(callv1.Code_CODE_NOT_FOUND, "matrix: no ghost"))
	if ok {
		_, err = a.makeGhost(r, of.String())
	}
	switch {
	case err == nil:
		reply(w, struct{}{})
	case again(err):
		refuse(w, http.StatusServiceUnavailable, "M_UNKNOWN", "Not now; try again")
	default:
		refuse(w, http.StatusNotFound, "M_NOT_FOUND", "There is no such user")
	}
}
