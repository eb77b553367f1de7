package bridge

// windowSize is how far behind the newest packet one may come late.
const windowSize = 1024

// window knows which of a stream's last sequence numbers are used. A packet sent
// again comes twice, and a second one under a number is a replay to SRTP and noise
// to a jitter buffer.
type window [windowSize / 64]uint64

// take reports whether a number may be used, and marks it; last is the newest
// number so far.
func (w *window) take(number, last uint16) bool {
	ahead := int(int16(number - last)) //nolint:gosec // sequence arithmetic
	if ahead <= -windowSize {
		return false
	}
	for n := range uint16(min(max(ahead, 0), windowSize)) { //nolint:gosec // bounded
		w[(number-n)%windowSize/64] &^= 1 << ((number - n) % 64)
	}
	word, bit := &w[number%windowSize/64], uint64(1)<<(number%64)
	if *word&bit != 0 {
		return false
	}
	*word |= bit
	return true
}

// seal makes all numbers so far count as used: from here on the source's numbers
// map to other ones, and a late packet would get one that means another packet.
func (w *window) seal() {
	for i := range w {
		w[i] = ^uint64(0)
	}
}
