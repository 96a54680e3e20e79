package chaos

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/test/harness"
)

// A chronicle is what happened when, for a finding's context.
type chronicle struct {
	mu      sync.Mutex
	entries []entry
}

type entry struct {
	at time.Time
	// team is what the Team is called in the console that it is about; "" when it
	// concerns all.
	team, text string
}

func (c *chronicle) note(team, format string, args ...any) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entries = append(c.entries, entry{at: time.Now(), team: team, text: fmt.Sprintf(format, args...)})
}

// noteTeam notes what a Team's object says now.
func (c *chronicle) noteTeam(obj *v1alpha1.Team, gone bool) {
	ready := harness.Ready(obj)
	c.note(obj.ConsoleName(), "Team %s: id %q intent %+v deleting %v gone %v finalizers %d %s: %s",
		nameOf(obj), obj.Status.ID, obj.Status.CreateIntent, obj.DeletionTimestamp, gone, len(obj.Finalizers), ready.Reason, ready.Message)
}

// around returns what concerns a team, from a little before it was first noted
// after since until some time after it was last noted.
func (c *chronicle) around(team string, since time.Time) string {
	const margin, most = 20 * time.Second, 10 * time.Minute
	c.mu.Lock()
	defer c.mu.Unlock()
	last := since
	for _, e := range c.entries {
		if e.team == team && e.at.After(since) && e.at.Before(since.Add(most)) {
			last = e.at
		}
	}
	var b strings.Builder
	for _, e := range c.entries {
		if (e.team == team || e.team == "") && e.at.After(since.Add(-margin)) && e.at.Before(last.Add(margin)) {
			fmt.Fprintf(&b, "  %s %.300s\n", e.at.Format("15:04:05.000"), e.text)
		}
	}
	return b.String()
}
