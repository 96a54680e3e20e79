package console

import (
	"errors"
	"slices"
	"time"

	"github.com/console-access/console-access-operator/internal/quota"
)

// Refused reports whether the console itself refused a call with a 404 or a 400. That
// something is not there is one reason for it among others, see [sighting]. While the
// console is being read to find the reason, nothing is refused yet.
func Refused(err error) bool {
	class := ClassOf(err)
	return (class == NotFound || class == Invalid) && !errors.Is(err, ErrReading)
}

// enoughListings is how many listings in a row must lack something where none of them
// is complete. On a console whose listings never add up, nothing would be absent
// otherwise.
const enoughListings = 3

// A sighting is what is known of whether one user or team is in the console. One rule
// decides that something is absent, whatever it is:
//
//   - A doubt arises when a listing lacks it, or when the console refuses a call that
//     names it (404 or 400). Neither is proof: items move between pages, and a refusal
//     may be about something else, or come from a part of the console that lags.
//   - It is absent when the console, asked for it by name, refused since it was last
//     seen, and a complete listing that began after the doubt lacks it. Of incomplete
//     listings it takes [enoughListings] in a row.
//   - It is there when a reading that began after the doubt has it. The refusal is then
//     an error like any other.
//   - Nothing counts that a write of ours may explain, see [settle].
type sighting struct {
	presence Presence
	// at is when the read behind it began, or the answer to our write came.
	at time.Time
	// unconfirmed is true after a write whose outcome is unknown, or that the console
	// refused as if there were nothing to write to.
	unconfirmed bool
	// doubted is when the doubt arose; zero when there is none.
	doubted time.Time
	// refusal is the answer to the call that asked for it by name, as long as it is not
	// explained. deletion is true when that call was to delete it.
	refusal  error
	deletion bool
	// again is true when a reading that began after the doubt has it.
	again bool
}

// seen is the sighting after a reading that has it. A refusal stays to be explained.
func (s *sighting) seen(at time.Time) sighting {
	now := sighting{presence: Present, at: at}
	if s.refusal != nil {
		now.doubted, now.refusal, now.deletion = s.doubted, s.refusal, s.deletion
		now.again = s.again || !at.Before(s.doubted)
	}
	return now
}

// doubt notes that something may not be there, unless that is in doubt already.
func (s *sighting) doubt() {
	if s.doubted.IsZero() {
		s.doubted = time.Now()
	}
}

// refuse notes the refusal of a read, or of a deletion, which raises a doubt of its own:
// it may have had an effect all the same.
func (s *sighting) refuse(err error, deletion bool) {
	if deletion {
		s.doubted = time.Time{}
	}
	s.doubt()
	s.refusal, s.deletion, s.again = err, deletion, false
}

// explain ends the doubt and returns the refusal.
func (s *sighting) explain() error {
	err := s.refusal
	s.doubted, s.refusal, s.deletion, s.again = time.Time{}, nil, false, false
	return err
}

// open reports whether it has to be read again before anything is concluded.
func (s *sighting) open() bool { return s.unconfirmed || s.refusal != nil }

// forgettable reports whether something has been gone for so long, by a reading that
// began then, that it need not be remembered any more.
func (s *sighting) forgettable(began, wrote time.Time) bool {
	return s.presence != Present && !s.open() && began.Sub(latest(s.at, s.doubted, wrote)) > remembered
}

// A finding is what readings tell of something in doubt.
type finding int

const (
	undecided finding = iota
	foundThere
	foundAbsent
)

// judge applies the rule. Listings that began before since do not count.
func (s *sighting) judge(past readings, since time.Time) finding {
	switch {
	case s.presence == Present && (s.again || s.refusal == nil):
		return foundThere
	case s.presence != Present && past.prove(since):
		return foundAbsent
	}
	return undecided
}

// decide returns what look finds in the listings read so far. While they do not tell,
// it has one read that brings the decision nearer, and returns [ErrReading].
func decide[T any](r *reader[T], by Caller, look func(past readings) (found finding, since time.Time)) (finding, error) {
	for {
		past := r.past()
		found, since := look(past)
		if found != undecided {
			return found, nil
		}
		if err := r.readOn(by, past, since); err != nil {
			return found, err
		}
	}
}

// ConfirmNoTeam returns nil when the listings that began at since or later, none of
// which had it, prove that a team is not there. Otherwise a listing is under way, by is
// notified when it has ended, and the error is [ErrReading] or that of the last attempt.
func (p *Project) ConfirmNoTeam(by Caller, since time.Time) error {
	return confirm(p.teams, by, since)
}

// ConfirmNobody is to users what [Project.ConfirmNoTeam] is to teams.
func (p *Project) ConfirmNobody(by Caller, since time.Time) error { return confirm(p.users, by, since) }

func confirm[T any](r *reader[T], by Caller, since time.Time) error {
	_, err := decide(r, by, func(past readings) (finding, time.Time) {
		if past.prove(since) {
			return foundAbsent, since
		}
		return undecided, since
	})
	return err
}

// decisionPause is how long after a listing the next one begins that nobody but a
// check for drift needs: one listing decides about the refusals of many checks.
const decisionPause = 30 * time.Second

// readOn has the next listing read that counts, if any may begin by now. It returns
// nil when there is one beyond those of past.
func (r *reader[T]) readOn(by Caller, past readings, since time.Time) error {
	last := past.last().StartedAt
	if !last.Before(since) {
		since = last.Add(1)
	}
	earliest := since
	if by.Lane == quota.Drift {
		earliest = latest(since, last.Add(decisionPause))
	}
	if time.Now().Before(earliest) {
		return wait(by, earliest)
	}
	return r.ensure(by, since)
}

// readings are the last good readings of a listing, the newest last.
type readings []ListingInfo

// with returns the readings after one more.
func (r readings) with(next ListingInfo) readings {
	return append(slices.Clone(r[max(0, len(r)-enoughListings+1):]), next)
}

// last returns the newest reading; a zero one when there was none.
func (r readings) last() ListingInfo {
	if len(r) == 0 {
		return ListingInfo{}
	}
	return r[len(r)-1]
}

// prove reports whether what no reading has that began at since or later is not there.
func (r readings) prove(since time.Time) bool {
	n := 0
	for _, reading := range r {
		if reading.StartedAt.Before(since) {
			continue
		}
		if n++; reading.Complete {
			return true
		}
	}
	return n >= enoughListings
}

// latest returns the latest of some times.
func latest(times ...time.Time) time.Time { return slices.MaxFunc(times, time.Time.Compare) }
