package pionleg

import "errors"

var errGather = errors.New("pionleg: candidates were not gathered in time")
