package main

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
)

// microRuns is how often each benchmark is run; the median counts.
const microRuns = 3

// limiterBenchmarks runs the benchmarks of internal/quota.
func limiterBenchmarks(ctx context.Context, root string) ([]microResult, error) {
	progress("limiter benchmarks")
	cmd := exec.CommandContext(ctx, "go", "test", "-run", "^$", "-bench", ".", "-benchmem",
		"-benchtime", "500ms", "-count", strconv.Itoa(microRuns), "./internal/quota")
	cmd.Dir, cmd.Stderr = root, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run the limiter's benchmarks: %w\n%s", err, out)
	}
	return parseBenchmarks(out)
}

// benchmarkLine is a line of `go test -bench -benchmem`.
var benchmarkLine = regexp.MustCompile(`^Benchmark(\S+?)(?:-\d+)?\s+\d+\s+([\d.]+) ns/op\s+([\d.]+) B/op\s+([\d.]+) allocs/op`)

// parseBenchmarks takes the median of each benchmark's runs, in the order in
// which they first appear.
func parseBenchmarks(out []byte) ([]microResult, error) {
	var names []string
	runs := map[string][][3]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		m := benchmarkLine.FindStringSubmatch(lines.Text())
		if m == nil {
			continue
		}
		var run [3]float64
		for i := range run {
			var err error
			if run[i], err = strconv.ParseFloat(m[i+2], 64); err != nil {
				return nil, fmt.Errorf("benchmark %s: %w", m[1], err)
			}
		}
		if runs[m[1]] == nil {
			names = append(names, m[1])
		}
		runs[m[1]] = append(runs[m[1]], run)
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("there are no benchmarks in: %s", out)
	}
	results := make([]microResult, 0, len(names))
	for _, name := range names {
		median := func(i int) float64 {
			values := make([]float64, 0, len(runs[name]))
			for _, run := range runs[name] {
				values = append(values, run[i])
			}
			slices.Sort(values)
			return values[len(values)/2]
		}
		results = append(results, microResult{Name: name, Runs: len(runs[name]), NsPerOp: median(0), BytesPerOp: median(1), AllocsPerOp: median(2)})
	}
	return results, nil
}
