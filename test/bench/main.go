package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
	ctrl "sigs.k8s.io/controller-runtime"
)

// errMissed means that a target was missed, which the tables tell.
var errMissed = errors.New("a target was missed")

var started = time.Now()

// progress tells on standard error what is being done.
func progress(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "bench %6s  %s\n", time.Since(started).Round(time.Second), fmt.Sprintf(format, args...))
}

func main() {
	name := flag.String("plan", "full", "What to measure: full; quick, the smaller sizes only, in about four minutes; or huge, 50,000 UserRoles.")
	out := flag.String("json", filepath.Join("bin", "bench.json"), "The `file` to write every figure to.")
	only := flag.String("only", "", "Measure only the rows whose name matches this regular `expression`, such as 'rollout operator .* 900$'.")
	list := flag.Bool("list", false, "Print the names of the rows and exit.")
	p := programs{crds: filepath.Join("config", "crd", "bases")}
	flag.StringVar(&p.manager, "manager", filepath.Join("bin", "manager"), "The manager's `file`.")
	flag.StringVar(&p.baseline, "baseline", filepath.Join("bin", "bench-baseline"), "The baseline's `file`.")
	flag.StringVar(&p.controlPlane, "controlplane", filepath.Join("bin", "controlplane"), "The control plane's `file`.")
	flag.Parse()

	// What libraries log is of no interest: errors are returned.
	ctrl.SetLogger(logr.Discard())
	klog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Stdout, p, *name, *list, *only, *out); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, w io.Writer, p programs, name string, list bool, only, out string) error {
	match, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	named, ok := plans[name]
	if !ok {
		return fmt.Errorf("-plan: there is no plan %q; take full, quick or huge", name)
	}
	pl := named()
	version, err := exec.CommandContext(ctx, p.manager, "--version").Output()
	if err != nil {
		return fmt.Errorf("ask the manager for its version (make manager builds it): %w", err)
	}
	words := strings.Fields(string(version))
	r := &report{Plan: pl.name, Time: started.UTC().Truncate(time.Second), Machine: thisMachine(), Version: words[min(1, len(words)-1)]}
	for _, row := range pl.rows(p, r) {
		if !match.MatchString(row.name) {
			continue
		}
		if list {
			fmt.Fprintln(w, row.name)
			continue
		}
		if err := row.measure(ctx); err != nil {
			return fmt.Errorf("%s: %w", row.name, err)
		}
	}
	if list {
		return nil
	}
	r.TookSeconds, r.Targets = time.Since(started).Seconds(), r.judge()
	fmt.Fprint(w, r.markdown())
	if err := r.save(out); err != nil {
		return err
	}
	progress("every figure is in %s", out)
	if len(r.missed()) > 0 {
		return errMissed
	}
	return nil
}

// A row is one measurement; it adds its result to the report.
type row struct {
	name    string
	measure func(context.Context) error
}

// rows are what the plan measures, operator and baseline side by side.
func (pl plan) rows(p programs, r *report) []row {
	var out []row
	add := func(measure func(context.Context) error, format string, args ...any) {
		out = append(out, row{fmt.Sprintf(format, args...), measure})
	}
	addRollouts := func(who contender, plans []rolloutPlan) {
		for _, ro := range plans {
			add(func(ctx context.Context) error {
				result, err := rollout(ctx, p, who, ro)
				r.Rollouts = append(r.Rollouts, result)
				return err
			}, "rollout %s %s %d", who, ro.kind, ro.n)
		}
	}
	addSteady := func(who contender, plans []steadyPlan) {
		for _, st := range plans {
			add(func(ctx context.Context) error {
				result, err := steady(ctx, p, who, st)
				r.Steady = append(r.Steady, result)
				return err
			}, "steady %s %d", who, st.n)
		}
	}
	if len(pl.rollouts) > 0 {
		add(func(ctx context.Context) (err error) {
			r.Limiter, err = limiterBenchmarks(ctx, ".")
			return err
		}, "limiter")
	}
	addRollouts(operator, pl.rollouts)
	addRollouts(baseline, pl.baselineRollouts)
	if pl.latency > 0 {
		add(func(ctx context.Context) error {
			result, err := timeToReady(ctx, p, pl.latency)
			r.Latency = &result
			return err
		}, "latency")
	}
	addSteady(operator, pl.steady)
	addSteady(baseline, pl.baselineSteady)
	return out
}
