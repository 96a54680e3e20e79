package main

import (
	"fmt"
	"strings"
	"time"
)

// What the figures must be.
const (
	maxRatio       = 1.05
	maxP50         = 50 * time.Millisecond
	maxP99         = 500 * time.Millisecond
	maxRSSMiB      = 300
	maxCPUPercent  = 1
	maxNsPerOp     = 1000
	memoryLimitFor = 10_000 // UserRoles
)

// judge holds the figures against the targets.
func (r *report) judge() []target {
	var out []target
	add := func(met bool, what, want, got string, args ...any) {
		out = append(out, target{What: what, Want: want, Got: fmt.Sprintf(got, args...), Met: met})
	}
	for _, o := range r.Rollouts {
		if o.Contender != operator {
			continue
		}
		what := fmt.Sprintf("%s new %ss: ", thousands(o.Objects), o.Kind)
		add(o.Throttled == 0 && o.Violations == 0, what+"429s and violations", "0", "%d, %d", o.Throttled, o.Violations)
		add(o.Ratio <= maxRatio, what+"time over the least", fmt.Sprintf("≤ %.2f", maxRatio), "%.3f", o.Ratio)
		add(o.Calls == o.Objects, what+"calls", thousands(o.Objects), "%s", thousands(o.Calls))
	}
	if l := r.Latency; l != nil {
		add(l.P50Seconds < maxP50.Seconds(), "apply to Ready, p50", "< 50 ms", "%.0f ms", l.P50Seconds*1000)
		add(l.P99Seconds < maxP99.Seconds(), "apply to Ready, p99", "< 500 ms", "%.0f ms", l.P99Seconds*1000)
	}
	for _, s := range r.Steady {
		if s.Contender != operator {
			continue
		}
		what := fmt.Sprintf("%s true UserRoles: ", thousands(s.UserRoles))
		add(s.Throttled == 0 && s.Violations == 0, what+"429s and violations", "0", "%d, %d", s.Throttled, s.Violations)
		add(s.RestartCalls <= s.FirstSyncCalls, what+"calls at restart", fmt.Sprintf("≤ %d, one listing", s.FirstSyncCalls), "%d", s.RestartCalls)
		add(s.ConsoleWrites+s.ObjectWrites+s.RestartConsoleWrites+s.RestartObjectWrites == 0,
			what+"writes to console and objects, also at restart", "0", "%d, %d", s.ConsoleWrites+s.RestartConsoleWrites, s.ObjectWrites+s.RestartObjectWrites)
		add(s.CPUPercent < maxCPUPercent, what+"CPU", "< 1 % of a core", "%.2f %%", s.CPUPercent)
		if s.UserRoles <= memoryLimitFor {
			add(max(s.RSSMiB, s.RestartRSSMiB) < maxRSSMiB, what+"RSS", "< 300 MiB", "%.0f MiB", max(s.RSSMiB, s.RestartRSSMiB))
		}
	}
	for _, m := range r.Limiter {
		if strings.HasPrefix(m.Name, "Acquire/") {
			add(m.NsPerOp < maxNsPerOp && m.AllocsPerOp == 0, "limiter, "+m.Name, "< 1 µs, 0 allocs", "%.0f ns, %.0f", m.NsPerOp, m.AllocsPerOp)
		}
	}
	return out
}

// missed are the targets that were not met.
func (r *report) missed() (out []target) {
	for _, t := range r.Targets {
		if !t.Met {
			out = append(out, t)
		}
	}
	return out
}
