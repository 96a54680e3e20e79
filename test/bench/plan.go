package main

import (
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

const (
	// operatorShare is the share of the windows the operator is given: the
	// default of a ConsoleConnection.
	operatorShare = 90
	// baselineShare: the documentation's numbers as they stand.
	baselineShare = 100
	// driftInterval is the default of a ConsoleConnection.
	driftInterval = 10 * time.Minute
	// consoleLatency is how long the console takes to answer, at scale 1.
	consoleLatency = 50 * time.Millisecond
	// teamMembers is how many members a team has in the steady state.
	teamMembers = 50
)

// A scale divides the console's periods.
type scale int

func (s scale) of(d time.Duration) time.Duration { return d / time.Duration(s) }

// real is a measured time at the documented pace.
func (s scale) real(d time.Duration) time.Duration { return d * time.Duration(s) }

// windows are the documented limits at this scale.
func (s scale) windows() []consolesim.Window {
	out := consolesim.DefaultWindows()
	for i := range out {
		out[i].Per = s.of(out[i].Per)
	}
	return out
}

// A rolloutPlan is n new objects, each of which needs a change in the console.
type rolloutPlan struct {
	kind kind
	n    int
	at   scale
}

// A steadyPlan is n UserRoles that are already true, with n/10 Teams for the
// operator.
type steadyPlan struct {
	n  int
	at scale
	// interval is that of drift checks, at the documented pace.
	interval time.Duration
}

// A plan is what one run measures.
type plan struct {
	name             string
	rollouts         []rolloutPlan
	baselineRollouts []rolloutPlan
	// latency is how many single changes are timed while quota is free.
	latency        int
	steady         []steadyPlan
	baselineSteady []steadyPlan
}

func fullPlan() plan {
	return plan{
		name: "full",
		rollouts: []rolloutPlan{
			{userRoles, 100, 1}, {userRoles, 900, 10}, {userRoles, 2_000, 10}, {userRoles, 10_000, 50}, {teams, 1_000, 10},
		},
		baselineRollouts: []rolloutPlan{
			{userRoles, 100, 1}, {userRoles, 900, 100}, {userRoles, 2_000, 100}, {userRoles, 10_000, 100}, {teams, 1_000, 100},
		},
		latency:        200,
		steady:         []steadyPlan{{100, 40, driftInterval}, {1_000, 40, driftInterval}, {10_000, 40, driftInterval}},
		baselineSteady: []steadyPlan{{100, 40, driftInterval}, {1_000, 40, driftInterval}, {10_000, 100, driftInterval}},
	}
}

func quickPlan() plan {
	return plan{
		name:             "quick",
		rollouts:         []rolloutPlan{{userRoles, 100, 1}, {userRoles, 900, 40}},
		baselineRollouts: []rolloutPlan{{userRoles, 100, 2}, {userRoles, 900, 100}},
		latency:          40,
		steady:           []steadyPlan{{100, 100, driftInterval}, {1_000, 100, driftInterval}},
	}
}

// hugePlan is beyond what the default drift interval is for: the listings alone
// are 550 pages, which the share of checks admits within 21 minutes.
func hugePlan() plan {
	return plan{name: "huge", steady: []steadyPlan{{50_000, 100, time.Hour}}}
}

// plans are what -plan names.
var plans = map[string]func() plan{"full": fullPlan, "quick": quickPlan, "huge": hugePlan}
