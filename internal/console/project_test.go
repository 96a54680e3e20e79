package console_test

import (
	"errors"
	"fmt"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/quota"
)

// A bench is a project's view, the real client under it, and the simulated
// console behind that, all within one bubble.
type bench struct {
	*console.Project
	sim     *consolesim.Server
	limiter *quota.Limiter
	// another makes one more view of the project, with a key of its own.
	another func() *console.Project
	// successor makes the view of another process, which comes after this one.
	successor func() *console.Project
}

const apiKey = "console-bench"

// inProject runs a test in a bubble. Time there passes only when all wait.
func inProject(t *testing.T, cfg quota.Config, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sim := consolesim.New(consolesim.Options{Keys: []string{apiKey}, Windows: []consolesim.Window{}})
		server := sim.InMemory()
		defer server.Close()
		limiter := quota.New(cfg)
		defer limiter.Close()
		var demotions console.Demotions
		view := func(key string, options ...console.Option) *console.Project {
			client, err := statsig.New(statsig.Config{Endpoint: server.URL, APIKey: key, Limiter: limiter, Transport: server.Transport})
			if err != nil {
				t.Fatal(err)
			}
			return console.NewProject(client, limiter, options...)
		}
		project := view(apiKey, console.ShareDemotions(&demotions))
		defer project.Close()
		test(t, &bench{Project: project, sim: sim, limiter: limiter, another: func() *console.Project {
			sim.AddKey(apiKey + "-another")
			return view(apiKey+"-another", console.ShareDemotions(&demotions))
		}, successor: func() *console.Project {
			var own console.Demotions
			own.NoteFormer()
			return view(apiKey, console.ShareDemotions(&own))
		}})
	})
}

func (b *bench) behave(t *testing.T, change func(*consolesim.Behavior)) {
	t.Helper()
	if err := b.sim.SetBehavior(change); err != nil {
		t.Fatal(err)
	}
}

// caller waits for its turn.
func caller(key string) console.Caller { return console.Caller{Key: key, Lane: quota.Change} }

// A tally counts what other goroutines do.
type tally struct{ n atomic.Int32 }

func (c *tally) count() int { return int(c.n.Load()) }

// waiting is a caller that is told, and counts how often.
func waiting(key string, lane quota.Lane, told *tally) console.Caller {
	return console.Caller{Key: key, Lane: lane, Notify: func() { told.n.Add(1) }}
}

// listUsers has users listed now, and waits until that has ended.
func (b *bench) listUsers(t *testing.T) { t.Helper(); b.list(t, b.ReadUsers) }

// listTeams is to teams what listUsers is to users.
func (b *bench) listTeams(t *testing.T) { t.Helper(); b.list(t, b.ReadTeams) }

func (b *bench) list(t *testing.T, read func(console.Caller, time.Time) error) {
	t.Helper()
	time.Sleep(time.Second)
	since := time.Now()
	var told tally
	if err := read(waiting("bench", quota.Change, &told), since); !errors.Is(err, console.ErrReading) {
		t.Fatalf("a reading that is under way: %v, want ErrReading", err)
	}
	for wait := time.Millisecond; told.count() == 0 && wait < time.Minute; wait *= 2 {
		time.Sleep(wait)
	}
	if err := read(caller("bench"), since); err != nil || told.count() != 1 {
		t.Fatalf("after the reading: %v, told %d times", err, told.count())
	}
}

// fetchTeam asks for a team until it is known what came of it.
func (b *bench) fetchTeam(t *testing.T, id string) (seen console.Observation[console.Team], err error) {
	t.Helper()
	b.until(t, quota.Change, func(by console.Caller) error { seen, err = b.FetchTeam(t.Context(), by, id); return err })
	return seen, err
}

// fetchUser is to users what fetchTeam is to teams.
func (b *bench) fetchUser(t *testing.T, email string) (seen console.Observation[console.User], err error) {
	t.Helper()
	b.until(t, quota.Change, func(by console.Caller) error { seen, err = b.FetchUser(t.Context(), by, email); return err })
	return seen, err
}

// deleteTeam deletes a team, and waits until it is known what came of that.
func (b *bench) deleteTeam(t *testing.T, id string) (err error) {
	t.Helper()
	b.until(t, quota.Change, func(by console.Caller) error { err = b.DeleteTeam(t.Context(), by, id); return err })
	return err
}

// until asks again whenever it is told to, as long as the console is being read.
func (b *bench) until(t *testing.T, lane quota.Lane, ask func(by console.Caller) error) {
	t.Helper()
	told := make(chan struct{}, 100)
	by := console.Caller{Key: fmt.Sprintf("asks %p", told), Lane: lane, Notify: func() { told <- struct{}{} }}
	for range 100 {
		if !errors.Is(ask(by), console.ErrReading) {
			return
		}
		<-told
	}
	t.Error("it is asked for ever")
}

// settled lets so much time pass that no read can be older than a write.
func settled() { time.Sleep(16 * time.Second) }

// changes subscribes and returns what was told since the last look.
func (b *bench) changes() func() console.Change {
	var got console.Change
	b.Subscribe("bench", func(c console.Change) {
		got.Emails = append(got.Emails, c.Emails...)
		got.TeamIDs = append(got.TeamIDs, c.TeamIDs...)
		got.TeamNames = append(got.TeamNames, c.TeamNames...)
		got.Access = got.Access || c.Access
	})
	return func() console.Change {
		c := got
		got = console.Change{}
		return c
	}
}
