package main

import (
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	tbl := table{head: []string{"What", "n", "µ"}}
	tbl.add("one", "1", "1.5 µs")
	tbl.add("ten thousand", "10,000", "–")
	const want = `| What         |      n |      µ |
| ------------ | -----: | -----: |
| one          |      1 | 1.5 µs |
| ten thousand | 10,000 |      – |
`
	if got := tbl.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestNumbersForPeople(t *testing.T) {
	tests := []struct{ got, want string }{
		{thousands(0), "0"}, {thousands(999), "999"}, {thousands(1000), "1,000"}, {thousands(12345678), "12,345,678"}, {thousands(-1234), "-1,234"},
		{clock(0.04), "0.0s"}, {clock(9.26), "9.3s"}, {clock(65), "1m 5s"}, {clock(3599.7), "60m 0s"}, {clock(3*3600 + 65), "3h 1m"},
		{short(10 * time.Minute), "10m"}, {short(2 * time.Hour), "2h"}, {short(90 * time.Second), "1m30s"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("got %q, want %q", tt.got, tt.want)
		}
	}
}

func TestPercentile(t *testing.T) {
	values := make([]time.Duration, 200)
	for i := range values {
		values[i] = time.Duration(i + 1)
	}
	for p, want := range map[int]time.Duration{0: 1, 50: 100, 99: 198, 100: 200} {
		if got := percentile(values, p); got != want {
			t.Errorf("p%d of 1..200 is %d, want %d", p, got, want)
		}
	}
	if got := percentile(values[:1], 99); got != 1 {
		t.Errorf("p99 of one value is %d", got)
	}
}

func TestParseBenchmarks(t *testing.T) {
	const out = `goos: linux
BenchmarkAcquire/TryAcquire-2         	 1000000	      300.5 ns/op	       0 B/op	       0 allocs/op
BenchmarkAcquire/TryAcquire-2         	 1000000	      900 ns/op	      16 B/op	       1 allocs/op
BenchmarkAcquire/TryAcquire-2         	 1000000	      310 ns/op	       0 B/op	       0 allocs/op
BenchmarkWaiting10000                 	    5000	    12000 ns/op	     120 B/op	       2 allocs/op
PASS
`
	got, err := parseBenchmarks([]byte(out))
	if err != nil {
		t.Fatal(err)
	}
	want := []microResult{
		{Name: "Acquire/TryAcquire", Runs: 3, NsPerOp: 310},
		{Name: "Waiting10000", Runs: 1, NsPerOp: 12000, BytesPerOp: 120, AllocsPerOp: 2},
	}
	if len(got) != 2 || got[0] != want[0] || got[1] != want[1] {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if _, err := parseBenchmarks([]byte("PASS\n")); err == nil {
		t.Error("no benchmark, no error")
	}
}

// good is a report that meets every target.
func good() report {
	return report{
		Plan:     "test",
		Rollouts: []rolloutResult{{Contender: operator, Kind: userRoles, Objects: 1000, Ready: 1000, Scale: 10, Seconds: 90.9, Ratio: 1.01, Calls: 1000, CallsPerObject: 1, KubernetesWritesPerObject: 4}},
		Latency:  &latencyResult{Changes: 10, ConsoleLatencySeconds: .05, P50Seconds: .02, P99Seconds: .1, MaxSeconds: .2},
		Steady:   []steadyResult{{Contender: operator, UserRoles: 10_000, IntervalSeconds: 600, Teams: 1000, Scale: 10, FirstSyncCalls: 111, RestartCalls: 111, RSSMiB: 200, CPUPercent: .5, CallsPerHour: 666}},
		Limiter:  []microResult{{Name: "Acquire/TryAcquire", NsPerOp: 300}, {Name: "Waiting10000", NsPerOp: 12_000, AllocsPerOp: 3}},
	}
}

func TestTargets(t *testing.T) {
	tests := []struct {
		name   string
		change func(*report)
		missed string
	}{
		{"all met", func(*report) {}, ""},
		{"a 429", func(r *report) { r.Rollouts[0].Throttled = 1 }, "429s and violations"},
		{"too slow", func(r *report) { r.Rollouts[0].Ratio = 1.06 }, "time over the least"},
		{"too many calls", func(r *report) { r.Rollouts[0].Calls++ }, "calls"},
		{"p50", func(r *report) { r.Latency.P50Seconds = .051 }, "p50"},
		{"p99", func(r *report) { r.Latency.P99Seconds = .51 }, "p99"},
		{"a violation at rest", func(r *report) { r.Steady[0].Violations = 1 }, "429s and violations"},
		{"restart", func(r *report) { r.Steady[0].RestartCalls++ }, "calls at restart"},
		{"a needless write", func(r *report) { r.Steady[0].RestartObjectWrites = 1 }, "writes"},
		{"memory", func(r *report) { r.Steady[0].RestartRSSMiB = 301 }, "RSS"},
		{"CPU", func(r *report) { r.Steady[0].CPUPercent = 1 }, "CPU"},
		{"the limiter's time", func(r *report) { r.Limiter[0].NsPerOp = 1000 }, "TryAcquire"},
		{"the limiter's memory", func(r *report) { r.Limiter[0].AllocsPerOp = 1 }, "TryAcquire"},
		{"the baseline's figures are no targets", func(r *report) {
			r.Rollouts[0].Contender, r.Rollouts[0].Ratio = baseline, 9
			r.Steady[0].Contender, r.Steady[0].CPUPercent = baseline, 9
		}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := good()
			tt.change(&r)
			r.Targets = r.judge()
			missed := r.missed()
			if tt.missed == "" {
				if len(missed) != 0 {
					t.Errorf("missed %+v", missed)
				}
				return
			}
			if len(missed) != 1 || !strings.Contains(missed[0].What, tt.missed) {
				t.Errorf("missed %+v, want one target of %q", missed, tt.missed)
			}
			if text := r.markdown(); !strings.Contains(text, missed[0].What) {
				t.Errorf("the report does not tell of %q:\n%s", missed[0].What, text)
			}
		})
	}
}

func TestReportInMarkdown(t *testing.T) {
	r := good()
	r.Targets = r.judge()
	text := r.markdown()
	for _, want := range []string{
		"| 1,000 UserRoles | operator |    10 | 1,000 | 15m 9s |",
		"p50 20 ms, p99 100 ms, worst\n200 ms",
		"| 10,000 UserRoles | operator |    10 |      10m |            666 |",
		"| Acquire/TryAcquire |              300 |",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "Target missed") {
		t.Errorf("a target is told to be missed:\n%s", text)
	}
}
