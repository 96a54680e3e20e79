package quota

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"
)

// Errors of a Store.
var (
	// ErrConflict: another process has saved the record since it was loaded.
	ErrConflict = errors.New("the quota record was changed by another process")
	// ErrNoRecord: there is no record.
	ErrNoRecord = errors.New("there is no quota record")
	// ErrDamaged: there is a record, but it cannot be understood.
	ErrDamaged = errors.New("the quota record is damaged")
)

// Store keeps the Record of one quota, so that it outlives the process. A
// Limiter makes one call at a time, each with a context of at most 10 seconds.
type Store interface {
	// Load returns the record. Errors are ErrNoRecord, ErrDamaged, or others,
	// which may pass.
	Load(ctx context.Context) (Record, error)
	// Save replaces the record if nobody has since this store's last Load or
	// Save, and otherwise returns ErrConflict. It also replaces a record that
	// Load called damaged, and creates a missing one.
	Save(ctx context.Context, r Record) error
}

// Record is what is known of the requests of a quota. Times are wall-clock
// times of the process that wrote it.
type Record struct {
	// Writer is the identity of the process that wrote the record.
	Writer string
	// MutationsOnly says that reads were not counted.
	MutationsOnly bool
	// ClosedUntil is the end of the pause after a 429; zero without one.
	ClosedUntil time.Time
	// ProbeAt is when the next request beyond a guess may be made; zero at once.
	ProbeAt time.Time
	Windows []WindowRecord
	// Open lists the blocks whose requests may not all be among the spent.
	Open []Block
	// Former are the histories of other quotas that count for this one.
	Former []Former
}

// Former is the history of another quota from which somebody has come to this
// one, with what they had sent.
type Former struct {
	Quota string
	// At is when it was taken over.
	At      time.Time
	Windows []WindowRecord
}

// WindowRecord holds the requests of one window, ordered by End.
type WindowRecord struct {
	Per   time.Duration
	Spent []Spent
	// Guess is how many requests the window seems to have room for after a 429,
	// and GuessUntil how long that is remembered; zero without a guess.
	Guess      int
	GuessUntil time.Time
}

// Spent is N requests that ended no later than End.
type Spent struct {
	End time.Time
	N   int
}

// Block is a number of requests that may be made without a further record, each
// to start before NotAfter.
type Block struct {
	N        int
	NotAfter time.Time
}

const (
	recordVersion = 1
	// buckets is into how many parts a window is divided in the record.
	buckets = 64
	// The bounds of what is accepted as a record: more is damage.
	maxRecordItems = 1 << 10
	maxRecordCount = 1 << 20
	maxRecordMilli = 1 << 43 // in the year 2248
	maxRecordPer   = 366 * 24 * time.Hour
)

// recordJSON is the stored form: times in Unix milliseconds, rounded up. Spent
// is a flat list of pairs: milliseconds since the previous End, and N.
type recordJSON struct {
	Version int          `json:"v"`
	Writer  string       `json:"writer,omitempty"`
	Mutates bool         `json:"mutationsOnly,omitempty"`
	Until   int64        `json:"until,omitempty"`
	Probe   int64        `json:"probe,omitempty"`
	Windows []windowJSON `json:"windows"`
	Open    [][2]int64   `json:"open,omitempty"` // N, NotAfter
	Former  []formerJSON `json:"former,omitempty"`
}

type formerJSON struct {
	Quota   string       `json:"quota"`
	At      int64        `json:"at"`
	Windows []windowJSON `json:"windows"`
}

type windowJSON struct {
	Per   time.Duration `json:"per"` // nanoseconds
	Spent []int64       `json:"spent"`
	Guess int           `json:"guess,omitempty"`
	Until int64         `json:"guessUntil,omitempty"`
}

// MarshalJSON encodes the record compactly: some 2 KB when the default windows
// of the Console API are full.
func (r Record) MarshalJSON() ([]byte, error) {
	j := recordJSON{Version: recordVersion, Writer: r.Writer, Mutates: r.MutationsOnly, Until: milli(r.ClosedUntil), Probe: milli(r.ProbeAt)}
	j.Windows = encodeWindows(r.Windows)
	for _, f := range r.Former {
		j.Former = append(j.Former, formerJSON{Quota: f.Quota, At: milli(f.At), Windows: encodeWindows(f.Windows)})
	}
	for _, b := range r.Open {
		j.Open = append(j.Open, [2]int64{int64(b.N), milli(b.NotAfter)})
	}
	return json.Marshal(j)
}

// UnmarshalJSON decodes and validates a record. Errors wrap ErrDamaged.
func (r *Record) UnmarshalJSON(data []byte) error {
	var j recordJSON
	if err := json.Unmarshal(data, &j); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	if j.Version != recordVersion {
		return fmt.Errorf("%w: version %d, want %d", ErrDamaged, j.Version, recordVersion)
	}
	if len(j.Former) > maxRecordItems || len(j.Open) > maxRecordItems {
		return fmt.Errorf("%w: too many blocks or former quotas", ErrDamaged)
	}
	if min(j.Until, j.Probe) < 0 || max(j.Until, j.Probe) > maxRecordMilli {
		return fmt.Errorf("%w: the end of the pause is out of range", ErrDamaged)
	}
	out := Record{Writer: j.Writer, MutationsOnly: j.Mutates, ClosedUntil: fromMilli(j.Until), ProbeAt: fromMilli(j.Probe)}
	var err error
	if out.Windows, err = decodeWindows(j.Windows); err != nil {
		return fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	for i, fj := range j.Former {
		f := Former{Quota: fj.Quota, At: fromMilli(fj.At)}
		if f.Windows, err = decodeWindows(fj.Windows); err != nil {
			return fmt.Errorf("%w: former quota %d: %w", ErrDamaged, i, err)
		}
		if fj.At < 0 || fj.At > maxRecordMilli {
			return fmt.Errorf("%w: the time of former quota %d is out of range", ErrDamaged, i)
		}
		out.Former = append(out.Former, f)
	}
	for i, b := range j.Open {
		if !inRange(b[0], b[1]) {
			return fmt.Errorf("%w: block %d is out of range", ErrDamaged, i)
		}
		out.Open = append(out.Open, Block{N: int(b[0]), NotAfter: fromMilli(b[1])})
	}
	*r = out
	return nil
}

func encodeWindows(records []WindowRecord) []windowJSON {
	out := []windowJSON{}
	for _, w := range records {
		wj := windowJSON{Per: w.Per, Spent: []int64{}, Guess: w.Guess, Until: milli(w.GuessUntil)}
		last := int64(0)
		for _, s := range w.Spent {
			at := max(last, milli(s.End))
			wj.Spent = append(wj.Spent, at-last, int64(s.N))
			last = at
		}
		out = append(out, wj)
	}
	return out
}

func decodeWindows(in []windowJSON) (out []WindowRecord, err error) {
	if len(in) > maxRecordItems {
		return nil, errors.New("too many windows")
	}
	for i, wj := range in {
		w, err := wj.decode()
		if err != nil {
			return nil, fmt.Errorf("window %d: %w", i, err)
		}
		if i > 0 && w.Per < out[i-1].Per {
			return nil, fmt.Errorf("window %d is out of order", i)
		}
		out = append(out, w)
	}
	return out, nil
}

func (wj windowJSON) decode() (WindowRecord, error) {
	w := WindowRecord{Per: wj.Per, Guess: wj.Guess, GuessUntil: fromMilli(wj.Until)}
	if wj.Guess < 0 || wj.Guess > maxRecordCount || wj.Until < 0 || wj.Until > maxRecordMilli {
		return w, errors.New("its guess is out of range")
	}
	if wj.Per <= 0 || wj.Per > maxRecordPer || len(wj.Spent)%2 != 0 || len(wj.Spent) > maxRecordItems {
		return w, errors.New("malformed")
	}
	at := int64(0)
	for i := 0; i < len(wj.Spent); i += 2 {
		if wj.Spent[i] < 0 || wj.Spent[i] > maxRecordMilli {
			return w, errors.New("its requests are out of order")
		}
		at += wj.Spent[i]
		if !inRange(wj.Spent[i+1], at) {
			return w, errors.New("its requests are out of range")
		}
		w.Spent = append(w.Spent, Spent{End: fromMilli(at), N: int(wj.Spent[i+1])})
	}
	return w, nil
}

func inRange(n, at int64) bool {
	return n > 0 && n <= maxRecordCount && at > 0 && at <= maxRecordMilli
}

func milli(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.Add(time.Millisecond - 1).UnixMilli()
}

func fromMilli(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// wall converts an instant to the wall clock.
func (l *Limiter) wall(now, at instant) time.Time { return l.clock().Add(at - now) }

// snapshot is the record of the present state, without the open blocks' unused
// tokens that can no longer be used.
func (l *Limiter) snapshot(now instant) Record {
	r := Record{MutationsOnly: l.config.MutationsOnly}
	if now < l.gate.asked {
		r.ClosedUntil = l.wall(now, l.gate.asked)
	}
	if l.caution.next > now {
		r.ProbeAt = l.wall(now, l.caution.next)
	}
	r.Windows = l.windowRecords(now, 0)
	for i, o := range l.sources[1:] {
		if windows := l.windowRecords(now, source(i+1)); windows != nil {
			r.Former = append(r.Former, Former{Quota: o.quota, At: o.at, Windows: windows})
		}
	}
	loose := l.use.held // under way, and paid for by no block
	if l.journal != nil {
		r.Writer = l.journal.Identity
		r.Open = l.journal.open(now, l.wall)
		for _, b := range l.journal.blocks {
			loose -= b.out
		}
	}
	if loose > 0 {
		r.Open = append(r.Open, Block{N: loose, NotAfter: l.wall(now, now)})
	}
	return r
}

// windowRecords returns what the windows hold of one source; nil if that is
// another quota and they hold nothing of it.
func (l *Limiter) windowRecords(now instant, from source) (out []WindowRecord) {
	empty := from != 0
	for _, w := range l.remembering() {
		wr := WindowRecord{Per: w.Per}
		if from == 0 && w.guess.held {
			wr.Guess, wr.GuessUntil = w.guess.level, l.wall(now, w.guess.expires)
		}
		first := instant(math.MinInt64)
		for i := range w.size {
			s, last := w.at(i), len(wr.Spent)-1
			if s.from != from {
				continue
			}
			empty = false
			end := l.wall(now, s.back-w.hold())
			if last >= 0 && s.back-first < w.Per/buckets {
				wr.Spent[last].End = end
				wr.Spent[last].N = min(wr.Spent[last].N+s.n, maxRecordCount)
				continue
			}
			first = s.back
			wr.Spent = append(wr.Spent, Spent{End: end, N: min(s.n, maxRecordCount)})
		}
		out = append(out, wr)
	}
	if empty {
		return nil
	}
	return out
}

// A clock converts the wall-clock times of a record. Whatever clocks say,
// nothing recorded can end later than latest.
type clock struct {
	now, latest instant
	wall        time.Time
	skew        time.Duration
}

func (c clock) local(t time.Time) instant { return min(c.now+t.Sub(c.wall)+c.skew, c.latest) }

// clockOf returns the clock of a record's writer.
func (l *Limiter) clockOf(now instant, r *Record, latest instant) clock {
	c := clock{now: now, latest: latest, wall: l.clock(), skew: 2 * l.skew}
	if l.journal != nil && r.Writer == l.journal.Identity {
		c.skew = 0
	}
	return c
}

// restore adds to the windows what a record says.
func (l *Limiter) restore(now instant, r Record, latest instant, from source) {
	c := l.clockOf(now, &r, latest)
	l.count(c, r.Windows, r.Open, from)
	for _, f := range r.Former {
		l.countFormer(c, f)
	}
	if r.MutationsOnly {
		l.exempt.exempted(latest)
		l.countExempt(now)
	}
	l.past += maxRecordCount // nothing is known of the time before the record's
	if until := min(now+r.ClosedUntil.Sub(c.wall)+c.skew, now+maxRetryAfter); !r.ClosedUntil.IsZero() && until > now {
		l.gate.wait(until)
		l.gate.cause, l.gate.trial = ReasonThrottled, true
		l.paused()
	}
	l.recall(now, r, func(t time.Time) instant { return now + t.Sub(c.wall) })
	l.epoch++
}

// count adds to the windows what a record has of them. Open blocks are taken for
// used, as late as can be: at their deadline, plus the longest call, plus what
// the two clocks may differ by. A record without windows says nothing, so there
// may have been any number of requests.
func (l *Limiter) count(c clock, records []WindowRecord, open []Block, from source) {
	var old []*window
	for _, wr := range records {
		w := &window{Window: Window{Per: wr.Per}, ring: make([]spend, 8)}
		for _, s := range wr.Spent {
			w.add(spend{back: c.local(s.End) + w.hold(), n: s.N, from: from})
		}
		old = append(old, w)
	}
	if n := len(old); n > 0 && l.memory == nil && (len(l.windows) == 0 || l.windows[len(l.windows)-1].Per < old[n-1].Per) {
		l.memory = newMemory(old[n-1].Per)
		l.memory.inherit(c.now, l.windows, l.past+int(l.taken)-l.use.held, 0)
	}
	for _, w := range l.remembering() {
		if len(old) == 0 {
			w.add(spend{back: c.latest + w.hold(), n: maxRecordCount, from: from})
			continue
		}
		w.inherit(c.now, old, maxRecordCount, from)
		for _, b := range open {
			if back := min(c.local(b.NotAfter)+l.maxCall, c.latest) + w.hold(); back > c.now {
				w.add(spend{back: back, n: b.N, from: from})
			}
		}
	}
}

// recall takes over the guesses of a record. Those of windows that are not known
// yet wait for them.
func (l *Limiter) recall(now instant, r Record, local func(time.Time) instant) {
	clear(l.recalled)
	for _, wr := range r.Windows {
		w := window{Window: Window{Per: wr.Per}}
		expires := min(local(wr.GuessUntil), now+w.believes())
		if wr.GuessUntil.IsZero() || expires <= now {
			continue
		}
		w.guessed(wr.Guess, 0, expires)
		l.recalled[wr.Per] = w.guess
		l.caution.calm = max(l.caution.calm, expires)
	}
	if !r.ProbeAt.IsZero() && len(l.recalled) > 0 {
		l.caution.next = max(l.caution.next, min(local(r.ProbeAt), now+haltedMax))
	}
	l.assign(l.windows)
}

// assign hands the recalled guesses to their windows, once there are any.
func (l *Limiter) assign(windows []*window) {
	for _, w := range windows {
		w.recall(l.recalled)
	}
	if len(windows) > 0 {
		clear(l.recalled)
	}
}

// spendAll makes every window full, as far as an unknown process may have made
// requests that a lost record listed.
func (l *Limiter) spendAll(now instant) {
	l.fillAll(now, l.formerEnd(now))
	l.epoch++
}
