package bridge

import "time"

// ask spaces the key frame requests for one line.
type ask struct {
	last  time.Time
	later *time.Timer
}

// ask requests a key frame of from's line now, or at the end of the interval.
func (w *way) ask(line int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.stopped {
		return
	}
	a := w.asks[line]
	if a == nil {
		a = &ask{}
		w.asks[line] = a
	}
	if a.later != nil {
		return
	}
	if wait := askEvery - time.Since(a.last); wait > 0 {
		a.later = time.AfterFunc(wait, func() {
			w.mu.Lock()
			a.later, a.last = nil, time.Now()
			stopped := w.stopped
			w.mu.Unlock()
			if !stopped {
				w.from.leg.RequestKeyFrame(line)
			}
		})
		return
	}
	a.last = time.Now()
	w.from.leg.RequestKeyFrame(line)
}

// stop ends what is still to be asked.
func (w *way) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stopped = true
	w.table.Store(&table{})
	for _, a := range w.asks {
		if a.later != nil {
			a.later.Stop()
		}
	}
}
