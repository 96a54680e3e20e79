package main

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

const (
	// intervals is how many drift intervals calls are counted over.
	intervals = 3
	// handChanges is how many users are changed by hand.
	handChanges = 6
	// idleFor is how long CPU is measured while nothing is due.
	idleFor = 20 * time.Second
	// quietFor is how long no call must come for a restart to be over.
	quietFor = 5 * time.Second
)

// steady measures objects that are true already.
func steady(ctx context.Context, p programs, who contender, plan steadyPlan) (result steadyResult, err error) {
	progress("steady state of %d UserRoles under the %s, scale %d", plan.n, who, plan.at)
	s, err := newSite(ctx, p, who, plan.at, plan.interval)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	result = steadyResult{Contender: who, UserRoles: plan.n, Scale: plan.at, IntervalSeconds: plan.interval.Seconds()}
	if who == operator {
		result.Teams = plan.n / 10
	}
	m := steadyRun{site: s, result: &result, objects: plan.n + result.Teams}
	if err := m.fill(ctx); err != nil {
		return result, err
	}
	steps := []func(context.Context) error{m.firstSync, m.count, m.changeByHand, m.idle, m.restart}
	if who == baseline {
		steps = []func(context.Context) error{m.firstSync, m.count, m.changeByHand, m.restart}
	}
	for _, step := range steps {
		if err := step(ctx); err != nil {
			return result, err
		}
	}
	all := s.console.tally()
	result.Throttled, result.Violations = all.throttled, all.violations
	return result, wrong(s.console, userRoles, plan.n)
}

type steadyRun struct {
	*site
	result  *steadyResult
	objects int
	cpu     time.Duration // that count measured
	counted time.Duration // how long count took
}

// fill puts users and teams into the console, and objects that ask for just
// that into the cluster.
func (m *steadyRun) fill(ctx context.Context) error {
	users := m.result.UserRoles
	people(m.console, users, consolesim.RoleMember)
	members := min(teamMembers, users)
	for i := range m.result.Teams {
		t := consolesim.Team{Name: teamName(i)}
		for k := range members {
			t.Members = append(t.Members, email((i*members+k)%users))
		}
		m.console.PutTeam(t)
	}
	if err := apply(ctx, m.client, users, fillAppliers, newUserRole); err != nil {
		return err
	}
	return apply(ctx, m.client, m.result.Teams, fillAppliers, func(i int) v1alpha1.AccessObject { return newTeam(i, members, users) })
}

// firstSync starts the program and waits until all objects are Ready.
func (m *steadyRun) firstSync(ctx context.Context) error {
	if err := m.ready(ctx); err != nil {
		return err
	}
	timeout := patience(m.who, leastTime(nil, 2*m.objects, m.at.windows(), m.who.share()))
	for k, n := range map[kind]int{userRoles: m.result.UserRoles, teams: m.result.Teams} {
		w, err := watch(ctx, m.cluster, k)
		if err != nil {
			return err
		}
		_, err = w.wait(ctx, n, timeout, m.running)
		w.cancel()
		if err != nil {
			return err
		}
	}
	m.result.FirstSyncCalls = m.console.tally().calls
	progress("  first sync: %d calls", m.result.FirstSyncCalls)
	return nil
}

// count counts calls over some drift intervals in which nothing changes.
func (m *steadyRun) count(ctx context.Context) error {
	before, err := m.reading(ctx)
	if err != nil {
		return err
	}
	began := time.Now()
	if err := m.sleep(ctx, intervals*m.at.of(m.interval)); err != nil {
		return err
	}
	after, err := m.reading(ctx)
	if err != nil {
		return err
	}
	m.counted, m.cpu = time.Since(began), after.cpu-before.cpu
	calls := after.tally.since(before.tally)
	hours := m.at.real(m.counted).Hours()
	m.result.CallsPerHour = float64(calls.calls) / hours
	m.result.CallsPerObjectHour = m.result.CallsPerHour / float64(m.objects)
	m.result.ConsoleWrites = calls.writes
	m.result.ObjectWrites = objectWrites(before.writes, after.writes)
	m.result.RSSMiB, m.result.PeakRSSMiB = mib(after.rss), mib(after.peak)
	progress("  %.0f calls per hour, %.0f MiB", m.result.CallsPerHour, m.result.RSSMiB)
	return nil
}

// objectWrites counts the writes to Teams and UserRoles between two readings.
func objectWrites(before, after map[string]int) (n int) {
	for _, k := range []kind{userRoles, teams} {
		for _, verb := range []string{"PATCH ", "PUT "} {
			for _, part := range []string{"", "/status"} {
				what := verb + k.resource() + part
				n += after[what] - before[what]
			}
		}
	}
	return n
}

// changeByHand gives people another role in the console, at moments spread
// over an interval, and waits until each has the old one again.
func (m *steadyRun) changeByHand(ctx context.Context) error {
	interval := m.at.of(m.interval)
	timeout := patience(m.who, leastTime(nil, 2*m.objects, m.at.windows(), m.who.share()))
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("a change by hand was not put back"))
	defer cancel()
	changed := map[string]time.Time{}
	var sum, worst time.Duration
	for found := 0; found < handChanges; {
		if n := len(changed) + found; n < handChanges {
			address := email(n * m.result.UserRoles / handChanges)
			m.console.PutUser(consolesim.User{Email: address, Role: consolesim.RoleReadOnly})
			changed[address] = time.Now()
		}
		step := time.Now().Add(interval / handChanges)
		err := poll(ctx, 5*time.Millisecond, func() (bool, error) {
			for address, at := range changed {
				if u, _ := m.console.User(address); u.Role == consolesim.RoleMember {
					took := time.Since(at)
					sum, worst, found = sum+took, max(worst, took), found+1
					delete(changed, address)
				}
			}
			return found == handChanges || time.Now().After(step), m.running.alive()
		})
		if err != nil {
			return err
		}
	}
	m.result.DriftMeanSeconds = m.at.real(sum / handChanges).Seconds()
	m.result.DriftWorstSeconds = m.at.real(worst).Seconds()
	progress("  a change by hand is put back within %.0fs of a %v interval", m.result.DriftWorstSeconds, m.interval)
	return nil
}

// idle measures the CPU that is used while no check is due, and adds what a
// check cost above that: together the use at the documented pace.
func (m *steadyRun) idle(ctx context.Context) error {
	if err := m.checkEvery(ctx, m.interval); err != nil {
		return err
	}
	// The changed interval has every object looked at, which is not idleness.
	if err := m.sleep(ctx, 2*time.Second+time.Duration(m.objects)*time.Millisecond); err != nil {
		return err
	}
	before, err := m.running.usage()
	if err != nil {
		return err
	}
	if err := m.sleep(ctx, idleFor); err != nil {
		return err
	}
	after, err := m.running.usage()
	if err != nil {
		return err
	}
	idle := (after.cpu - before.cpu).Seconds() / idleFor.Seconds()
	check := max(0, m.cpu.Seconds()-idle*m.counted.Seconds()) / intervals
	m.result.IdleCPUPercent = 100 * idle
	m.result.CheckCPUSeconds = check
	m.result.CPUPercent = 100 * (idle + check/m.interval.Seconds())
	progress("  CPU: %.2f %% of a core idle, %.2f %% with its checks", m.result.IdleCPUPercent, m.result.CPUPercent)
	return nil
}

// restart replaces the process and counts what it does until it is quiet.
func (m *steadyRun) restart(ctx context.Context) error {
	before, err := m.reading(ctx)
	if err != nil {
		return err
	}
	mark := m.console.last()
	if err := m.site.restart(ctx); err != nil {
		return err
	}
	if err := m.settled(ctx, mark); err != nil {
		return err
	}
	after, err := m.reading(ctx)
	if err != nil {
		return err
	}
	calls := after.tally.since(before.tally)
	m.result.RestartCalls, m.result.RestartThrottled = calls.calls, calls.throttled
	m.result.RestartConsoleWrites = calls.writes
	m.result.RestartObjectWrites = objectWrites(before.writes, after.writes)
	all := m.console.RequestsSince(mark)
	m.result.RestartSeconds = m.at.real(all[len(all)-1].Received.Sub(all[0].Received)).Seconds()
	m.result.RestartRSSMiB = mib(after.rss)
	progress("  restart: %d calls, %d writes to the console, %d to objects", calls.calls, calls.writes, m.result.RestartObjectWrites)
	return nil
}

// settled waits until the new process has looked at everything: the operator
// makes no more calls, the baseline has read each user.
func (m *steadyRun) settled(ctx context.Context, mark int) error {
	timeout := patience(m.who, leastTime(nil, 2*m.objects, m.at.windows(), m.who.share()))
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, errors.New("the process did not come to rest after its restart"))
	defer cancel()
	return poll(ctx, 200*time.Millisecond, func() (bool, error) {
		if err := m.running.alive(); err != nil {
			return false, err
		}
		calls := m.console.RequestsSince(mark)
		if m.who == operator {
			return len(calls) > 0 && time.Since(m.console.lastAt()) > quietFor, nil
		}
		read := map[string]bool{}
		for _, r := range calls {
			if r.Status == http.StatusOK {
				read[r.Path] = true
			}
		}
		return len(read) >= m.result.UserRoles, nil
	})
}

// last is the number of the newest request.
func (c *console) last() int {
	all := c.Requests()
	if len(all) == 0 {
		return 0
	}
	return all[len(all)-1].Number
}

// lastAt is when the newest request came.
func (c *console) lastAt() time.Time {
	all := c.Requests()
	if len(all) == 0 {
		return time.Time{}
	}
	return all[len(all)-1].Received
}
