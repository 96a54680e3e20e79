package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"
)

// A report is everything that one run measured. Times are in seconds; those
// that depend on a period of the console are at the documented pace unless the
// field says otherwise.
type report struct {
	Plan        string          `json:"plan"`
	Time        time.Time       `json:"time"`
	TookSeconds float64         `json:"tookSeconds"`
	Version     string          `json:"version"` // of the manager
	Machine     machine         `json:"machine"`
	Rollouts    []rolloutResult `json:"rollouts,omitempty"`
	Latency     *latencyResult  `json:"latency,omitempty"`
	Steady      []steadyResult  `json:"steady,omitempty"`
	Limiter     []microResult   `json:"limiter,omitempty"`
	Targets     []target        `json:"targets"`
}

type machine struct {
	Cores int    `json:"cores"`
	CPU   string `json:"cpu"`
	OS    string `json:"os"`
	Arch  string `json:"arch"`
	Go    string `json:"go"`
}

func thisMachine() machine {
	return machine{Cores: runtime.NumCPU(), CPU: cpuModel(), OS: runtime.GOOS, Arch: runtime.GOARCH, Go: runtime.Version()}
}

// cpuModel is the processor's name; empty where /proc does not tell.
func cpuModel() string {
	file, err := os.Open("/proc/cpuinfo")
	if err != nil {
		return ""
	}
	defer func() { _ = file.Close() }()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		if name, value, ok := strings.Cut(lines.Text(), ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// A rolloutResult is the outcome of a rolloutPlan.
type rolloutResult struct {
	Contender contender `json:"contender"`
	Kind      kind      `json:"kind"`
	Objects   int       `json:"objects"`
	// Ready is how many of them became so; the operator's all do.
	Ready   int    `json:"ready"`
	Scale   scale  `json:"scale"`
	Windows string `json:"windows"`
	Share   int    `json:"sharePercent"`
	// ApplySeconds is how long the bench took to create the objects, Seconds
	// how long it took from the first creation until the last object was
	// Ready, LeastSeconds what the windows permit. All three are as measured,
	// at the row's scale.
	ApplySeconds   float64 `json:"applySeconds"`
	Seconds        float64 `json:"seconds"`
	LeastSeconds   float64 `json:"leastSeconds"`
	Ratio          float64 `json:"ratio,omitempty"` // unless the windows permit it all at once
	Calls          int     `json:"calls"`
	CallsPerObject float64 `json:"callsPerObject"`
	// CallsByEndpoint tells which calls these were.
	CallsByEndpoint map[string]int `json:"callsByEndpoint"`
	Throttled       int            `json:"throttled"`
	// Violations counts requests that would have overfilled a window, by the
	// simulator's own count.
	Violations int `json:"violations"`
	// CPUSeconds is the contender's; the API server's and the bench's, which
	// is also the console, share the machine with it.
	CPUSeconds          float64 `json:"cpuSeconds"`
	APIServerCPUSeconds float64 `json:"apiServerCPUSeconds"`
	BenchCPUSeconds     float64 `json:"benchCPUSeconds"`
	PeakRSSMiB          float64 `json:"peakRSSMiB"`
	// KubernetesWrites are all writes that the API server served meanwhile,
	// by its own count, without the bench's.
	KubernetesWrites          map[string]int `json:"kubernetesWrites"`
	KubernetesWritesPerObject float64        `json:"kubernetesWritesPerObject"`
	EventsPerObject           float64        `json:"eventsPerObject"`
}

// A latencyResult tells how long single changes took while quota was free, the
// console's own time taken off.
type latencyResult struct {
	Changes               int     `json:"changes"`
	ConsoleLatencySeconds float64 `json:"consoleLatencySeconds"`
	P50Seconds            float64 `json:"p50Seconds"`
	P99Seconds            float64 `json:"p99Seconds"`
	MaxSeconds            float64 `json:"maxSeconds"`
	Throttled             int     `json:"throttled"`
}

// A steadyResult is the outcome of a steadyPlan.
type steadyResult struct {
	Contender          contender `json:"contender"`
	UserRoles          int       `json:"userRoles"`
	Teams              int       `json:"teams"`
	Scale              scale     `json:"scale"`
	IntervalSeconds    float64   `json:"intervalSeconds"`
	FirstSyncCalls     int       `json:"firstSyncCalls"`
	CallsPerHour       float64   `json:"callsPerHour"`
	CallsPerObjectHour float64   `json:"callsPerObjectHour"`
	// ConsoleWrites and ObjectWrites are those made while nothing changed.
	ConsoleWrites int     `json:"consoleWrites"`
	ObjectWrites  int     `json:"objectWrites"`
	RSSMiB        float64 `json:"rssMiB"`
	PeakRSSMiB    float64 `json:"peakRSSMiB"`
	// IdleCPUPercent is of one core while no check is due, CheckCPUSeconds
	// what one check costs above that, CPUPercent both together.
	IdleCPUPercent    float64 `json:"idleCPUPercent,omitempty"`
	CheckCPUSeconds   float64 `json:"checkCPUSeconds,omitempty"`
	CPUPercent        float64 `json:"cpuPercent,omitempty"`
	DriftMeanSeconds  float64 `json:"driftMeanSeconds"`
	DriftWorstSeconds float64 `json:"driftWorstSeconds"`
	// RestartSeconds is from the first call of the new process until its last
	// before it was at rest.
	RestartSeconds       float64 `json:"restartSeconds"`
	RestartCalls         int     `json:"restartCalls"`
	RestartThrottled     int     `json:"restartThrottled"`
	RestartConsoleWrites int     `json:"restartConsoleWrites"`
	RestartObjectWrites  int     `json:"restartObjectWrites"`
	RestartRSSMiB        float64 `json:"restartRSSMiB"`
	// Throttled and Violations are of the whole row, the restart included.
	Throttled  int `json:"throttled"`
	Violations int `json:"violations"`
}

// A microResult is one benchmark of internal/quota: the median of its runs.
type microResult struct {
	Name        string  `json:"name"`
	Runs        int     `json:"runs"`
	NsPerOp     float64 `json:"nsPerOp"`
	BytesPerOp  float64 `json:"bytesPerOp"`
	AllocsPerOp float64 `json:"allocsPerOp"`
}

// A target is a figure that must be met.
type target struct {
	What string `json:"what"`
	Want string `json:"want"`
	Got  string `json:"got"`
	Met  bool   `json:"met"`
}

// save writes the report as JSON.
func (r *report) save(path string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("encode the report: %w", err)
	}
	if err := os.WriteFile(path, append(text, '\n'), 0o644); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	return nil
}
