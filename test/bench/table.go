package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A table is rendered in Markdown, its columns aligned.
type table struct {
	head []string
	rows [][]string
}

func (t *table) add(cells ...string) { t.rows = append(t.rows, cells) }

func (t *table) String() string {
	width := make([]int, len(t.head))
	for _, row := range append([][]string{t.head}, t.rows...) {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell), 4)
		}
	}
	var b strings.Builder
	line := func(row []string) {
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell))
			if i == 0 {
				cell += pad // the first column names the row, the others hold figures
			} else {
				cell = pad + cell
			}
			fmt.Fprintf(&b, "| %s ", cell)
		}
		b.WriteString("|\n")
	}
	line(t.head)
	for i, w := range width {
		if i == 0 {
			b.WriteString("| " + strings.Repeat("-", w) + " ")
		} else {
			b.WriteString("| " + strings.Repeat("-", w-1) + ": ")
		}
	}
	b.WriteString("|\n")
	for _, row := range t.rows {
		line(row)
	}
	return b.String()
}

// markdown is the report for people.
func (r *report) markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "Measured by `make bench` (plan %s, in %s) on %d cores (%s), %s/%s, %s, version %s.\n",
		r.Plan, clock(r.TookSeconds), r.Machine.Cores, r.Machine.CPU, r.Machine.OS, r.Machine.Arch, r.Machine.Go, r.Version)
	if len(r.Rollouts) > 0 {
		b.WriteString("\n" + r.rolloutTable())
	}
	if r.Latency != nil {
		fmt.Fprintf(&b, latencyNote, r.Latency.ConsoleLatencySeconds*1000, r.Latency.Changes,
			r.Latency.P50Seconds*1000, r.Latency.P99Seconds*1000, r.Latency.MaxSeconds*1000)
	}
	if len(r.Steady) > 0 {
		b.WriteString("\n" + r.steadyTable())
	}
	if len(r.Limiter) > 0 {
		b.WriteString("\n" + r.limiterTable())
	}
	if missed := r.missed(); len(missed) > 0 {
		t := table{head: []string{"Target missed", "wanted", "measured"}}
		for _, m := range missed {
			t.add(m.What, m.Want, m.Got)
		}
		b.WriteString("\n" + t.String())
	}
	return b.String()
}

const latencyNote = `
From apply to Ready while quota is free, without the %.0f ms that the console
takes, over %d changes at the documented limits: p50 %.0f ms, p99 %.0f ms, worst
%.0f ms.
`

const rolloutNote = `
Time is from the first apply to the last Ready, at the documented 100 requests
per 10s and 900 per 15m: measured with every period of the console divided by
the scale, and multiplied by it again. The least time is what these windows
permit for one call per object: to the operator %d %% of them, its default
share, to the baseline all. Kubernetes writes are all those of the process by
the API server's own count: finalizers, status, events, the record of the quota,
the Lease. The baseline is a plain reconciler: GET, compare, write, and a token
bucket for each of the two documented limits.
`

func (r *report) rolloutTable() string {
	t := table{head: []string{"Roll-out", "by", "scale", "Ready", "time", "over the least",
		"calls per object", "429s", "violations", "Kubernetes writes per object", "of these events"}}
	for _, o := range r.Rollouts {
		ratio := "–" // the windows permit it all at once
		if o.Ratio > 0 {
			ratio = fmt.Sprintf("× %.3f", o.Ratio)
		}
		t.add(fmt.Sprintf("%s %ss", thousands(o.Objects), o.Kind), string(o.Contender), strconv.Itoa(int(o.Scale)), thousands(o.Ready),
			clock(o.Seconds*float64(o.Scale)), ratio,
			fmt.Sprintf("%.2f", o.CallsPerObject), thousands(o.Throttled), thousands(o.Violations),
			fmt.Sprintf("%.2f", o.KubernetesWritesPerObject), fmt.Sprintf("%.2f", o.EventsPerObject))
	}
	return t.String() + fmt.Sprintf(rolloutNote, operatorShare)
}

const steadyNote = `
Objects that are true already: the UserRoles named, and under the operator a
tenth as many Teams of %d members on top. Everything is at the documented pace
and this interval between checks, measured over %d intervals divided by the scale.
CPU, of one core, is that of an idle process plus that of the checks. A change
by hand is found and put back within: %d changes spread over an interval. RSS is
the process's resident memory after the checks; restart is a graceful one, its
time that from the first call to the last.
`

func (r *report) steadyTable() string {
	t := table{head: []string{"Steady state", "by", "scale", "interval", "calls per hour", "per object",
		"calls at restart", "restart", "429s", "change found, mean", "worst", "RSS", "CPU"}}
	for _, s := range r.Steady {
		cpu := "–" // not measured for the baseline
		if s.Contender == operator {
			cpu = fmt.Sprintf("%.2f %%", s.CPUPercent)
		}
		t.add(fmt.Sprintf("%s UserRoles", thousands(s.UserRoles)), string(s.Contender), strconv.Itoa(int(s.Scale)), short(time.Duration(s.IntervalSeconds*float64(time.Second))),
			thousands(int(s.CallsPerHour+0.5)), fmt.Sprintf("%.2f", s.CallsPerObjectHour),
			thousands(s.RestartCalls), clock(s.RestartSeconds), thousands(s.Throttled),
			clock(s.DriftMeanSeconds), clock(s.DriftWorstSeconds), fmt.Sprintf("%.0f MiB", s.RSSMiB), cpu)
	}
	return t.String() + fmt.Sprintf(steadyNote, teamMembers, intervals, handChanges)
}

func (r *report) limiterTable() string {
	t := table{head: []string{"Limiter", "ns per operation", "allocations", "bytes"}}
	for _, m := range r.Limiter {
		t.add(m.Name, fmt.Sprintf("%.0f", m.NsPerOp), fmt.Sprintf("%.0f", m.AllocsPerOp), fmt.Sprintf("%.0f", m.BytesPerOp))
	}
	return t.String()
}

// thousands writes a number with separators: 10,000.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// clock writes seconds as people say them: 9.3s, 2m 5s, 3h 1m.
func clock(seconds float64) string {
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Hour:
		d = d.Round(time.Second)
		return fmt.Sprintf("%dm %ds", d/time.Minute, d%time.Minute/time.Second)
	}
	d = d.Round(time.Minute)
	return fmt.Sprintf("%dh %dm", d/time.Hour, d%time.Hour/time.Minute)
}

// short writes a duration without its trailing zero units: 10m, not 10m0s.
func short(d time.Duration) string {
	text := d.String()
	for _, zero := range []string{"m0s", "h0m"} {
		if strings.HasSuffix(text, zero) {
			text = text[:len(text)-2]
		}
	}
	return text
}
