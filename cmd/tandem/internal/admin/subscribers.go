package admin

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/tandem-rtc/tandem/schema"
	callv1 "github.com/tandem-rtc/tandem/schema/tandem/call/v1"
	"github.com/tandem-rtc/tandem/services/directory"
)

// maxBody bounds what is read of a request.
const maxBody = 256 << 10

// Subscribers is a listing.
type Subscribers struct {
	Subscribers []directory.Listed `json:"subscribers"`
}

func (s *Server) theDirectory() (Directory, error) {
	if d := s.directory.Load(); d != nil {
		return *d, nil
	}
	return nil, schema.Errorf(callv1.Code_CODE_UNSUPPORTED, "this process does not run the directory: ask one that does")
}

// listSubscribers answers GET /api/subscribers.
func (s *Server) listSubscribers(w http.ResponseWriter, _ *http.Request) error {
	d, err := s.theDirectory()
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, Subscribers{d.List()})
	return nil
}

// putSubscriber answers PUT /api/subscribers/{id}.
func (s *Server) putSubscriber(w http.ResponseWriter, r *http.Request) error {
	d, err := s.theDirectory()
	if err != nil {
		return err
	}
	var sub directory.Subscriber
	if err := readBody(w, r, &sub, "a subscriber"); err != nil {
		return err
	}
	if id := r.PathValue("id"); sub.ID != id {
		return schema.Invalid("id", "is %q in the path and %q in the subscriber", id, sub.ID)
	}
	if err := d.Put(r.Context(), sub); err != nil {
		return err
	}
	s.cfg.Log.Info("subscriber written by the operator", "subscriber", sub.ID)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// Phone is the body of PUT /api/subscribers/{id}/phone.
type Phone struct {
	Phone string `json:"phone"`
}

// putPhone answers PUT /api/subscribers/{id}/phone.
func (s *Server) putPhone(w http.ResponseWriter, r *http.Request) error {
	d, err := s.theDirectory()
	if err != nil {
		return err
	}
	var p Phone
	if err := readBody(w, r, &p, "an object with phone"); err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := d.SetPhone(r.Context(), id, p.Phone); err != nil {
		return err
	}
	s.cfg.Log.Info("phone set by the operator", "subscriber", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}

// readBody reads the one JSON value that a request is to have; what names it.
func readBody(w http.ResponseWriter, r *http.Request, v any, what string) error {
	body := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody))
	body.DisallowUnknownFields()
	if err := body.Decode(v); err != nil {
		return schema.Errorf(callv1.Code_CODE_INVALID, "not %s in JSON", what) // the text may hold a password
	}
	if _, err := body.Token(); !errors.Is(err, io.EOF) {
		return schema.Errorf(callv1.Code_CODE_INVALID, "more than %s", what)
	}
	return nil
}

// removeSubscriber answers DELETE /api/subscribers/{id}.
func (s *Server) removeSubscriber(w http.ResponseWriter, r *http.Request) error {
	d, err := s.theDirectory()
	if err != nil {
		return err
	}
	id := r.PathValue("id")
	if err := d.Remove(r.Context(), id); err != nil {
		return err
	}
	s.cfg.Log.Info("subscriber removed by the operator", "subscriber", id)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
