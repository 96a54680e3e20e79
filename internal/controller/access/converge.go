package access

import (
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// MaxAttempts is how many writes in a row may fail to bring about what the
// spec says before the next one waits for the drift interval.
const MaxAttempts = 2

// maxDiff is how many fields a status tells about.
const maxDiff = 32

// Correct decides what becomes of differences between console and spec. It
// returns nil when they are to be written away now, and otherwise the verdict
// that tells about them.
func (s *Scope) Correct(mode v1alpha1.Mode, differences []console.Difference) *condition.Verdict {
	drifted := s.Obj.Sync().SyncedGeneration == s.Obj.GetGeneration()
	if drifted && s.Memo.Began.IsZero() && !s.tells(differences) {
		s.Emit(corev1.EventTypeWarning, v1alpha1.ReasonDriftDetected, "Compare", "The console differs from the spec: %s.", Describe(differences))
		s.Metrics.DriftDetected(s.Kind)
		s.Memo.Drifted = true
	}
	if s.Memo.Began.IsZero() {
		s.Memo.Began = time.Now()
	}
	var v condition.Verdict
	switch {
	case mode == v1alpha1.ModeObserve:
		v = s.differs(differences, "Nothing is changed because spec.mode is Observe.")
	case drifted && s.Connection.Spec.Drift.Policy == v1alpha1.DriftReport:
		v = s.differs(differences, "Nothing is changed because the connection's drift policy is Report.")
	case s.Memo.Attempts >= MaxAttempts && time.Since(s.Memo.LastWrite) < s.Interval():
		v = s.differs(differences, "It was written and the console did not keep it; it is tried again every "+s.Interval().String()+".")
		v.RetryAfter = s.Interval()
	default:
		if drifted && s.Memo.Attempts == 0 && !s.Memo.counted {
			return s.contested(differences)
		}
		return nil
	}
	return &v
}

// Corrections of one field within contestPeriod beyond contestLimit mean that
// somebody else wants it otherwise.
const (
	contestLimit  = 3
	contestPeriod = time.Hour
)

// contested counts the corrections of drift, field by field. When a field is
// corrected over and over it says so, and lets an interval pass between two
// corrections, however often the difference is noticed.
func (s *Scope) contested(differences []console.Difference) *condition.Verdict {
	now := time.Now()
	var fought []console.Difference
	var last time.Time
	for _, d := range differences {
		times := slices.DeleteFunc(s.Memo.corrections[d.Field], func(t time.Time) bool { return now.Sub(t) > contestPeriod })
		if s.Memo.corrections == nil {
			s.Memo.corrections = map[string][]time.Time{}
		}
		s.Memo.corrections[d.Field] = times
		if len(times) > contestLimit {
			fought = append(fought, d)
			last = times[len(times)-1]
		}
	}
	if left := s.Interval() - now.Sub(last); len(fought) > 0 && left > 0 {
		v := s.differs(differences, "Somebody else keeps changing "+fields(fought)+" in the console. Find out who, "+
			"and let only one of the two manage it; until then it is corrected every "+s.Interval().String()+".")
		v.RetryAfter = left
		return &v
	}
	if len(fought) > 0 {
		s.Emit(corev1.EventTypeWarning, "Contested", "Compare", "Somebody else keeps changing %s in the console; let only one of the two manage it.", fields(fought))
	}
	// The write may wait for its turn, and be looked at again until then. It counts
	// when it was answered: one that is refused corrects nothing.
	s.Memo.counted, s.Memo.correcting = true, nil
	for _, d := range differences {
		s.Memo.correcting = append(s.Memo.correcting, d.Field)
	}
	return nil
}

// Wrote counts an answered write. After MaxAttempts the next one waits for the
// drift interval.
func (s *Scope) Wrote() {
	s.Memo.Attempts++
	s.Memo.LastWrite = time.Now()
	for _, field := range s.Memo.correcting {
		s.Memo.corrections[field] = append(s.Memo.corrections[field], s.Memo.LastWrite)
	}
	s.Memo.correcting = nil
}

func (s *Scope) differs(differences []console.Difference, why string) condition.Verdict {
	*s.Obj.Differences() = FieldDiffs(differences)
	return condition.Stuck(v1alpha1.ReasonDriftDetected, "The console differs from the spec in %s. %s", fields(differences), why)
}

// tells reports whether the status already tells of these differences.
func (s *Scope) tells(differences []console.Difference) bool {
	told := *s.Obj.Differences()
	now := FieldDiffs(differences)
	if len(told) != len(now) {
		return false
	}
	for i := range told {
		if told[i] != now[i] {
			return false
		}
	}
	return true
}

// FieldDiffs is how a status tells about differences.
func FieldDiffs(differences []console.Difference) []v1alpha1.FieldDiff {
	out := make([]v1alpha1.FieldDiff, 0, len(differences))
	for _, d := range differences[:min(len(differences), maxDiff)] {
		out = append(out, v1alpha1.FieldDiff{Field: d.Field, Want: d.Want, Have: d.Have})
	}
	return out
}

// Describe tells about differences in a sentence: field, old and new value.
func Describe(differences []console.Difference) string {
	parts := make([]string, 0, len(differences))
	for _, d := range differences {
		if d.Edits != "" {
			parts = append(parts, d.Field+" would have to be changed by "+d.Edits)
			continue
		}
		parts = append(parts, d.Field+" is "+quoted(d.Have)+", wanted "+quoted(d.Want))
	}
	return strings.Join(parts, "; ")
}

// DescribeChange tells about differences that were written away.
func DescribeChange(differences []console.Difference) string {
	parts := make([]string, 0, len(differences))
	for _, d := range differences {
		if d.Edits != "" {
			parts = append(parts, d.Field+": "+d.Edits)
			continue
		}
		parts = append(parts, d.Field+" from "+quoted(d.Have)+" to "+quoted(d.Want))
	}
	return strings.Join(parts, "; ")
}

// Revokes reports whether writing the differences away takes access from somebody.
func Revokes(differences []console.Difference) bool {
	for _, d := range differences {
		if d.Revokes {
			return true
		}
	}
	return false
}

func fields(differences []console.Difference) string {
	names := make([]string, 0, len(differences))
	for _, d := range differences {
		names = append(names, d.Field)
	}
	return strings.Join(names, ", ")
}

func quoted(value string) string { return `"` + value + `"` }
