package e2ee

import "errors"

var (
	// ErrNoKeys is in errors of Decrypt: the session's keys are not here, or only
	// from a later event on. They have been asked for; OnKeys tells when they came.
	ErrNoKeys = errors.New("the keys have not come")
	// ErrWithheld is in errors of Decrypt: the sender's device said that it will
	// not give us the keys. They may come nevertheless.
	ErrWithheld = errors.New("the keys are withheld")
	// ErrNotBuilt is what New gives in a build without encryption.
	ErrNotBuilt = errors.New("built without encryption (build with -tags goolm)")
)
