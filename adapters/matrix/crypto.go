package matrix

func newCrypto(t *term) crypto { return noCrypto{t} }
