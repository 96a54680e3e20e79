package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// latencyPace is the time between two changes: longer than what the shorter
// window permits on average, so that quota is always free.
const latencyPace = 130 * time.Millisecond

// timeToReady measures n single changes, one after another, at scale 1: from
// just before the object is sent to the API server until the bench, watching,
// sees it Ready, less the time that the console took to answer.
func timeToReady(ctx context.Context, p programs, n int) (result latencyResult, err error) {
	progress("time from apply to Ready of %d UserRoles, one by one", n)
	s, err := newSite(ctx, p, operator, 1, rolloutInterval)
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.close()) }()
	people(s.console, n, consolesim.RoleReadOnly)
	if err := s.ready(ctx); err != nil {
		return result, err
	}
	ready, err := watch(ctx, s.cluster, userRoles)
	if err != nil {
		return result, err
	}
	defer ready.cancel()
	pace := time.NewTicker(latencyPace)
	defer pace.Stop()
	took := make([]time.Duration, n)
	for i := range n {
		<-pace.C
		obj := newUserRole(i)
		began := time.Now()
		if err := s.client.Create(ctx, obj); err != nil {
			return result, fmt.Errorf("create UserRole %s: %w", obj.GetName(), err)
		}
		if _, err := ready.wait(ctx, i+1, time.Minute, s.running); err != nil {
			return result, err
		}
		took[i] = ready.at(obj.GetName()).Sub(began) - s.console.answered("/console/v1/users/"+email(i))
	}
	if err := wrong(s.console, userRoles, n); err != nil {
		return result, err
	}
	slices.Sort(took)
	result = latencyResult{
		Changes: n, ConsoleLatencySeconds: consoleLatency.Seconds(),
		P50Seconds: percentile(took, 50).Seconds(), P99Seconds: percentile(took, 99).Seconds(), MaxSeconds: took[n-1].Seconds(),
		Throttled: s.console.tally().throttled,
	}
	progress("  p50 %.0f ms, p99 %.0f ms", result.P50Seconds*1000, result.P99Seconds*1000)
	return result, nil
}

// percentile of sorted values, by the nearest-rank method.
func percentile(sorted []time.Duration, p int) time.Duration {
	rank := (len(sorted)*p + 99) / 100
	return sorted[max(rank, 1)-1]
}
