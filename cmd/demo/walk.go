package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"regexp"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// lookEvery is the pause between two looks at something that is waited for.
// Looks cost no calls to the Console API.
const lookEvery = 50 * time.Millisecond

// A walk is one walk through all steps.
type walk struct {
	config   *config
	say      *reporter
	programs *fleet
	samples  []*unstructured.Unstructured
	console  *console // nil until it serves
	cluster  *cluster
	// redirected: the samples were applied with another endpoint than they name.
	redirected bool
	outcomes   []outcome
	// counted is the number of the last request that an outcome accounts for.
	counted int
}

// A step shows one thing. Run returns the result in a few words, or what did
// not hold.
type step struct {
	short, title string
	run          func(context.Context) (string, error)
}

// steps takes every step, and ends at the first that does not hold.
func (w *walk) steps(ctx context.Context) error {
	for _, s := range []step{
		{"Start API server and console", "A Kubernetes API server and a simulated console start", w.startServers},
		{"Start operator", "The operator starts", w.startOperator},
		{"Apply samples", "The samples are applied: a connection, teams, roles", w.applySamples},
		{"Compare console", "The console holds what the manifests say", w.compareSamples},
		{"Adopt a team", "A team that somebody made by hand is left alone until it is to be adopted", w.adopt},
		{"Heal a change by hand", "Somebody changes that team in the console; it is changed back", w.healDrift},
		{"Protect a person", "A role for a protected person is refused", w.protect},
		{"Await a person", "A team names somebody who is not in the project yet", w.awaitPerson},
		{"Delete a team", "A Team is deleted; the console loses the team", w.deleteTeam},
		{"Restore samples", "Everything is put back as the samples say", w.restore},
	} {
		if err := w.take(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

func (w *walk) take(ctx context.Context, s step) error {
	w.say.line("\n%s", w.say.paint(bold, fmt.Sprintf("%d. %s", len(w.outcomes)+1, s.title)))
	began := time.Now()
	result, err := s.run(ctx)
	o := outcome{step: s.short, result: result, failed: err != nil, took: time.Since(began)}
	if w.console != nil {
		var countErr error
		if o.traffic, w.counted, countErr = w.console.trafficSince(ctx, w.counted); err == nil && countErr != nil {
			err = fmt.Errorf("count the calls: %w", countErr)
		}
	}
	w.outcomes = append(w.outcomes, o)
	if interrupted(ctx) {
		return context.Cause(ctx)
	}
	if err != nil {
		w.say.line("  %s", w.say.paint(red, "✗ does not hold: "+err.Error()))
		w.say.table(w.outcomes)
		return fmt.Errorf("step %d, %q: %w", len(w.outcomes), s.short, err)
	}
	w.say.line("  %s", w.say.paint(green, fmt.Sprintf("✓ %s (%s; calls to the console: %d reads, %d writes)",
		result, seconds(o.took), o.traffic.reads, o.traffic.writes)))
	return nil
}

// interrupted reports whether somebody ended the demo, rather than a failure.
func interrupted(ctx context.Context) bool {
	_, died := errors.AsType[*lostError](context.Cause(ctx))
	return ctx.Err() != nil && !died
}

// conclude prints the table and what it all cost, which must be within the
// console's limits.
func (w *walk) conclude(ctx context.Context) error {
	total, _, err := w.console.trafficSince(ctx, 0)
	if err != nil {
		return fmt.Errorf("count the calls: %w", err)
	}
	quota, err := w.console.quota(ctx)
	if err != nil {
		return fmt.Errorf("read the quota: %w", err)
	}
	w.say.table(w.outcomes)
	w.say.line("\n%s", quotaLine(total, quota))
	if quota.Violations > 0 || total.refused > 0 {
		return fmt.Errorf("the rate limit: expected no violations and no 429, found %d violations and %d answers 429", quota.Violations, total.refused)
	}
	w.say.line("%s", w.say.paint(green, fmt.Sprintf("All %d steps held.", len(w.outcomes))))
	return nil
}

// await looks until check is content. Want says what is expected, for the error
// when the time has passed; found is what the last look found instead.
func (w *walk) await(ctx context.Context, want string, check func(context.Context) (ok bool, found string, err error)) error {
	late := fmt.Errorf("not within %s", w.config.timeout)
	ctx, cancel := context.WithTimeoutCause(ctx, w.config.timeout, late)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	last := "nothing"
	for {
		ok, found, err := check(ctx)
		switch {
		case err == nil && ok:
			return nil
		case err == nil:
			last = found
		case ctx.Err() == nil:
			last = err.Error()
		}
		w.say.live("waiting: " + last)
		select {
		case <-ctx.Done():
			return fmt.Errorf("expected %s, found %s: %w", want, last, context.Cause(ctx))
		case <-ticker.C:
		}
	}
}

// awaitLine waits until a program prints a line, and returns its parts.
func (w *walk) awaitLine(ctx context.Context, p *process, pattern string) (parts []string, err error) {
	expression := regexp.MustCompile(pattern)
	err = w.await(ctx, p.name+" to serve", func(context.Context) (bool, string, error) {
		parts, err = p.match(expression)
		return parts != nil, p.name + " is starting", err
	})
	return parts, err
}

func (w *walk) startServers(ctx context.Context) (string, error) {
	c := w.config
	api, err := w.programs.start("controlplane", "--kubeconfig", c.kubeconfig(), "--crds", c.crds, "--exit-on-stdin-eof")
	if err != nil {
		return "", err
	}
	sim, err := w.programs.start("consolesim", "--listen", c.consoleAddr, "--api-key", sampleAPIKey)
	if err != nil {
		return "", err
	}
	parts, err := w.awaitLine(ctx, sim, `serving (http://\S+)`)
	if err != nil {
		return "", err
	}
	w.console = &console{url: parts[1]}
	w.say.detail("console     %s", w.console.url)
	if w.redirected, err = pointAt(w.samples, w.console.url); err != nil {
		return "", err
	}
	if parts, err = w.awaitLine(ctx, api, `serving (https://[^\s,]+)`); err != nil {
		return "", err
	}
	w.say.detail("Kubernetes  %s, kubeconfig %s", parts[1], c.kubeconfig())
	if w.cluster, err = connect(c.kubeconfig()); err != nil {
		return "", err
	}
	return "both serve", w.cluster.createNamespace(ctx, operatorNamespace)
}

func (w *walk) startOperator(ctx context.Context) (string, error) {
	probe, err := freeAddress(ctx)
	if err != nil {
		return "", err
	}
	_, err = w.programs.start("manager", "--kubeconfig", w.config.kubeconfig(), "--operator-namespace", operatorNamespace,
		"--metrics-bind-address", "0", "--health-probe-bind-address", probe, "--leader-elect=false", "--zap-encoder", "console")
	if err != nil {
		return "", err
	}
	url := "http://" + probe + "/readyz"
	err = w.await(ctx, "the operator to answer 200 at /readyz", func(ctx context.Context) (bool, string, error) {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return false, "", err
		}
		response, err := http.DefaultClient.Do(request)
		if err != nil {
			return false, "no answer yet from the operator at " + url, nil //nolint:nilerr // it is asked again until it answers
		}
		return response.StatusCode == http.StatusOK, "readiness " + response.Status, response.Body.Close()
	})
	return "ready", err
}

// freeAddress returns a loopback address that nobody listens on.
func freeAddress(ctx context.Context) (string, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return listener.Addr().String(), listener.Close()
}

func (w *walk) applySamples(ctx context.Context) (string, error) {
	if err := w.cluster.apply(ctx, w.samples...); err != nil {
		return "", err
	}
	return w.awaitReady(ctx)
}

// awaitReady waits until every sample is Ready, and tells of each once.
func (w *walk) awaitReady(ctx context.Context) (string, error) {
	began := time.Now()
	told := map[string]bool{}
	total := 0
	err := w.await(ctx, "every sample to be Ready", func(ctx context.Context) (bool, string, error) {
		total = 0
		var waiting []string
		for _, sample := range w.samples {
			if newObject(sample) == nil {
				continue
			}
			total++
			name := nameOf(sample)
			if told[name] {
				continue
			}
			object, err := w.cluster.get(ctx, sample)
			if err != nil {
				return false, "", err
			}
			ready := readiness(object)
			if ready.Status != "True" {
				waiting = append(waiting, name+": "+describe(ready))
				continue
			}
			told[name] = true
			w.say.detail("%-28s Ready after %s", name, seconds(time.Since(began)))
		}
		return len(waiting) == 0, fmt.Sprintf("%d of %d Ready; %s", len(told), total, strings.Join(waiting, "; ")), nil
	})
	return fmt.Sprintf("%d objects Ready", total), err
}

func (w *walk) compareSamples(ctx context.Context) (string, error) {
	state, err := w.console.state(ctx)
	if err != nil {
		return "", err
	}
	counts := map[string]int{}
	var differences []string
	for _, sample := range w.samples {
		counts[sample.GetKind()]++
		differences = append(differences, state.compare(sample)...)
	}
	if len(differences) > 0 {
		return "", errors.New("the console differs from the manifests: " + strings.Join(differences, "; "))
	}
	return fmt.Sprintf("%d teams and %d people are as declared", counts["Team"], counts["UserRole"]), nil
}
