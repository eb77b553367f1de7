package schema

// MayAssert reports whether an adapter kind speaks for a scheme: whether its
// protocol knows, without a proof to the directory, whose an address is. A
// homeserver does for its own users.
func MayAssert(kind string, s Scheme) bool { return kind == "matrix" && s == SchemeMatrix }
