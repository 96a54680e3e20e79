package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// rolloutInterval, the longest there is, keeps drift checks out of roll-outs:
// they are measured in the steady state, and their calls would hide what a
// change costs. It is not divided by the scale: of 1,000 Teams with a tenth of
// it, the first one is read by itself once after a minute.
const rolloutInterval = 168 * time.Hour

// newTeamMembers is how many members a new team has.
const newTeamMembers = 3

// rollout measures n new objects that need a change each.
func rollout(ctx context.Context, p programs, who contender, r rolloutPlan) (result rolloutResult, err error) {
	progress("roll-out of %d %ss by the %s, scale %d", r.n, r.kind, who, r.at)
	s, err := newSite(ctx, p, who, r.at, r.at.real(rolloutInterval))
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	users := r.n
	if r.kind == teams {
		users = 100
	}
	people(s.console, users, consolesim.RoleReadOnly)
	if err := s.ready(ctx); err != nil {
		return result, err
	}
	ready, err := watch(ctx, s.cluster, r.kind)
	if err != nil {
		return result, err
	}
	defer ready.cancel()
	before, err := s.reading(ctx)
	if err != nil {
		return result, err
	}

	began := time.Now()
	err = apply(ctx, s.client, r.n, rolloutAppliers, func(i int) v1alpha1.AccessObject {
		if r.kind == teams {
			return newTeam(i, newTeamMembers, users)
		}
		return newUserRole(i)
	})
	if err != nil {
		return result, err
	}
	applied := time.Since(began)
	least := leastTime(s.console.sentBefore(began), r.n, r.at.windows(), who.share())
	last, err := ready.wait(ctx, r.n, patience(who, least), s.running)
	if err != nil && !(who == baseline && errors.Is(err, errNotReady)) {
		return result, err
	}
	done := ready.count()
	after, err := s.reading(ctx)
	if err != nil {
		return result, err
	}
	// The baseline can lose the id of a team it made, and then never gets on.
	if done == r.n {
		if err := wrong(s.console, r.kind, r.n); err != nil {
			return result, err
		}
	}
	result = rolloutResult{
		Contender: who, Kind: r.kind, Objects: r.n, Ready: done, Scale: r.at, Windows: fmt.Sprint(r.at.windows()), Share: who.share(),
		ApplySeconds: applied.Seconds(), Seconds: last.Sub(began).Seconds(), LeastSeconds: least.Seconds(),
	}
	result.take(before, after)
	progress("  %.1fs, at least %.1fs: %.3f", result.Seconds, result.LeastSeconds, result.Ratio)
	return result, nil
}

// patience is how long a roll-out may take. The baseline has to wait for
// windows that it overfills, and makes two calls for each change.
func patience(who contender, least time.Duration) time.Duration {
	if who == baseline {
		return 5*least + 2*time.Minute
	}
	return 2*least + 2*time.Minute
}

// ready starts the program and lets it read what it reads at first.
func (s *site) ready(ctx context.Context) error {
	if err := s.connect(ctx); err != nil {
		return err
	}
	if err := s.start(ctx); err != nil {
		return err
	}
	return s.connected(ctx)
}

// A reading is what has been counted so far.
type reading struct {
	tally
	usage
	apiServer, bench time.Duration // CPU
	writes           map[string]int
}

func (s *site) reading(ctx context.Context) (reading, error) {
	used, usedErr := s.running.usage()
	apiServer, serverErr := usageOf(s.pid)
	bench, benchErr := usageOf(os.Getpid())
	writes, writesErr := s.writes(ctx)
	return reading{s.console.tally(), used, apiServer.cpu, bench.cpu, writes}, errors.Join(usedErr, serverErr, benchErr, writesErr)
}

// take derives the figures from the readings before and after.
func (r *rolloutResult) take(before, after reading) {
	t := after.tally.since(before.tally)
	r.Calls, r.Throttled, r.Violations, r.CallsByEndpoint = t.calls, t.throttled, t.violations, t.endpoints
	r.CallsPerObject = float64(t.calls) / float64(r.Objects)
	if r.LeastSeconds > 0 {
		r.Ratio = r.Seconds / r.LeastSeconds
	}
	r.CPUSeconds = (after.cpu - before.cpu).Seconds()
	r.APIServerCPUSeconds = (after.apiServer - before.apiServer).Seconds()
	r.BenchCPUSeconds = (after.bench - before.bench).Seconds()
	r.PeakRSSMiB = mib(after.peak)
	r.KubernetesWrites = map[string]int{}
	for what, n := range after.writes {
		if n -= before.writes[what]; n > 0 {
			r.KubernetesWrites[what] = n
		}
	}
	// The objects themselves were created by the bench.
	delete(r.KubernetesWrites, "POST "+r.Kind.resource())
	total := 0
	for _, n := range r.KubernetesWrites {
		total += n
	}
	r.KubernetesWritesPerObject = float64(total) / float64(r.Objects)
	r.EventsPerObject = float64(r.KubernetesWrites["POST events"]+r.KubernetesWrites["PATCH events"]) / float64(r.Objects)
}

func mib(bytes uint64) float64 { return float64(bytes) / (1 << 20) }
