package quota

import (
	"context"
	"fmt"
	"time"
)

// An origin is a quota whose requests count for this one, and when they were
// taken over.
type origin struct {
	quota string
	at    time.Time
}

// imported is a history that was handed to a limiter.
type imported struct {
	quota   string
	records []Record
	at      time.Time
}

// Export returns the record as it would be saved now, for a limiter that is to
// inherit the history, such as that of a rotated key. Tokens that were not used
// yet are given up, and requests under way are listed as an open block. The
// record's Writer is empty while the stored record, of which the history would
// be a part, is not loaded.
func (l *Limiter) Export() Record {
	now := l.lock()
	defer l.unlock(now)
	if j := l.journal; j != nil && j.left(now) > 0 {
		j.revoke()
		j.note()
	}
	r := l.snapshot(now)
	if l.journal != nil && !l.journal.loaded {
		r.Writer = ""
	}
	return r
}

// Import has the requests of another quota count for this one, too: all that the
// records hold, in the place of what was imported from that quota before. A
// record without windows says that nothing is known, so every window is full.
// See [Limiter.Sync].
func (l *Limiter) Import(quota string, records ...Record) {
	now := l.lock()
	defer l.unlock(now)
	i := imported{quota: quota, records: records, at: l.wall(now, now).Truncate(time.Millisecond)}
	l.inherit(now, i)
	if j := l.journal; j != nil {
		j.revoke() // what was imported has to be recorded before more is sent
		j.imported = append(j.imported, i)
		j.note()
	}
}

// Sync waits until what was imported is recorded, and with it that this quota
// has a record: then no crash forgets it.
func (l *Limiter) Sync(ctx context.Context) error {
	for {
		now := l.lock()
		j, closed := l.journal, l.closed
		if j == nil || j.loaded && !j.unsaved {
			l.unlock(now)
			return nil
		}
		event := j.event
		l.unlock(now)
		if closed {
			return ErrClosed
		}
		select {
		case <-event:
		case <-ctx.Done():
			return fmt.Errorf("record the past calls: %w", context.Cause(ctx))
		}
	}
}

// inherit counts an imported history.
func (l *Limiter) inherit(now instant, i imported) {
	from := l.source(i.quota)
	for _, w := range l.remembering() {
		w.drop(from)
	}
	for _, r := range i.records {
		l.restore(now, r, l.outlast(now), from)
	}
	l.sources[from].at = i.at
}

// source returns the index of a quota's name.
func (l *Limiter) source(quota string) source {
	for i, o := range l.sources[1:] {
		if o.quota == quota {
			return source(i + 1)
		}
	}
	l.sources = append(l.sources, origin{quota: quota})
	return source(len(l.sources) - 1)
}

// countFormer counts the history of a third quota that a record holds. Of two
// copies of one history the later one holds all there is. If the clocks of those
// who made them do not tell which that is, both count.
func (l *Limiter) countFormer(c clock, f Former) {
	if j := l.journal; j != nil && f.Quota == j.Quota && (j.found || j.written) {
		return // its own, of which it knows more
	}
	from := l.source(f.Quota)
	o := &l.sources[from]
	apart := f.At.Sub(o.at)
	if apart == 0 || apart < -2*l.skew {
		return
	}
	if apart > 2*l.skew {
		for _, w := range l.remembering() {
			w.drop(from)
		}
	}
	if apart > 0 {
		o.at = f.At
	}
	l.count(c, f.Windows, nil, from)
}
