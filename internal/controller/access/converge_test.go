package access

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// A fight is one object and the difference that somebody else keeps making.
type fight struct {
	*deskBench
	connection v1alpha1.ConsoleConnection
}

// corrects reports whether the difference in a field is to be written away. It
// is looked at several times, as while a write waits for its turn, and then, if
// it may be, written.
func (f *fight) corrects(t *testing.T, field string, looks int) (allowed bool, said string) {
	t.Helper()
	for range looks {
		s := f.open(t)
		s.Connection = &f.connection
		v := s.Correct(v1alpha1.ModeEnforce, []console.Difference{{Field: field, Want: "x", Have: "y"}})
		if v != nil {
			f.finish(t, s, *v, nil)
			return false, v.Message
		}
	}
	s := f.open(t)
	s.Wrote()
	s.Synced(true)
	f.finish(t, s, condition.Synced("In sync."), nil)
	return true, ""
}

// Four corrections of a field within an hour are a fight, however often each of
// them was looked at before its turn came; corrections of several fields, or
// over several hours, are none.
func TestContestedFields(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fight{deskBench: newDesk(t, func(team *v1alpha1.Team) { team.Status.SyncedGeneration = 1 })}
		f.connection.Spec.Drift.Interval.Duration = 10 * time.Minute
		for i := range 8 {
			if ok, said := f.corrects(t, "description", 5); !ok {
				t.Fatalf("correction %d in %d hours is held back: %s", i+1, i/3, said)
			}
			time.Sleep(21 * time.Minute)
		}
		time.Sleep(2 * time.Hour)
		for i := range 4 {
			for _, field := range []string{"members", "admins"} {
				if ok, said := f.corrects(t, field, 5); !ok {
					t.Fatalf("correction %d of %s is held back: %s", i+1, field, said)
				}
			}
			time.Sleep(time.Minute)
		}
		ok, said := f.corrects(t, "members", 5)
		if ok || !strings.Contains(said, "keeps changing members") || !strings.Contains(said, "every 10m0s") {
			t.Fatalf("a fifth correction is made, or it is said: %q", said)
		}
		if ok, said := f.corrects(t, "description", 1); !ok {
			t.Errorf("another field is held back, too: %s", said)
		}
		time.Sleep(10 * time.Minute)
		if ok, said := f.corrects(t, "members", 5); !ok {
			t.Errorf("after an interval it is held back still: %s", said)
		}
		if ok, _ := f.corrects(t, "members", 1); ok {
			t.Error("a second correction is made within the interval")
		}
		time.Sleep(2 * time.Hour)
		if ok, said := f.corrects(t, "members", 5); !ok {
			t.Errorf("hours later it is held back still: %s", said)
		}
	})
}
