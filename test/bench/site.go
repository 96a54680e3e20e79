package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// programs are the paths of what the bench runs.
type programs struct {
	manager, baseline, controlPlane, crds string
}

// A contender is a program that makes the console hold what objects say.
type contender string

const (
	operator contender = "operator"
	baseline contender = "baseline"
)

func (c contender) share() int {
	if c == operator {
		return operatorShare
	}
	return baselineShare
}

// A site is where one row is measured.
type site struct {
	*cluster
	programs
	who      contender
	at       scale
	interval time.Duration // of drift checks, at the documented pace
	console  *console
	running  *process
	starts   int
}

// newSite starts an API server and a console.
func newSite(ctx context.Context, p programs, who contender, at scale, interval time.Duration) (*site, error) {
	c, err := startConsole(ctx, at)
	if err != nil {
		return nil, err
	}
	cl, err := startCluster(ctx, p.controlPlane, p.crds)
	if err != nil {
		return nil, errors.Join(err, c.stop())
	}
	s := &site{cluster: cl, programs: p, who: who, at: at, interval: interval, console: c}
	for _, name := range []string{tenant, operatorNS} {
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := s.client.Create(ctx, ns); err != nil {
			return nil, errors.Join(fmt.Errorf("create namespace %s: %w", name, err), s.close())
		}
	}
	return s, nil
}

// close ends the row's processes.
func (s *site) close() error {
	var err error
	if s.running != nil {
		err = s.running.stop()
	}
	return errors.Join(err, s.console.stop(), s.cluster.stop())
}

// start starts the program under test and waits until it works.
func (s *site) start(ctx context.Context) error {
	s.starts++
	log := filepath.Join(s.dir, fmt.Sprintf("%s-%d.log", s.who, s.starts))
	var err error
	if s.who == baseline {
		if s.running, err = startProcess(string(s.who), log, s.baselineCommand(ctx)); err != nil {
			return err
		}
		return s.running.said(ctx, "Starting workers", 2)
	}
	s.running, err = startProcess(string(s.who), log, exec.CommandContext(ctx, s.manager,
		"--kubeconfig", s.kubeconfig, "--operator-namespace", operatorNS, "--health-probe-bind-address", "0",
		// Longer than the default, so that a machine that is short of time does
		// not make the manager give up its lead.
		"--leader-elect", "--leader-elect-lease-duration", "60s", "--leader-elect-renew-deadline", "50s"))
	return err
}

// restart ends the program and starts it again.
func (s *site) restart(ctx context.Context) error {
	if err := s.running.stop(); err != nil {
		return err
	}
	return s.start(ctx)
}

// baselineCommand gives the baseline the documentation's numbers.
func (s *site) baselineCommand(ctx context.Context) *exec.Cmd {
	args := []string{"--kubeconfig", s.kubeconfig, "--endpoint", s.console.endpoint,
		"--resync", s.at.of(s.interval).String(), "--max-backoff", s.at.of(baselineMaxBackoff).String()}
	for _, w := range s.at.windows() {
		args = append(args, "--window", w.String())
	}
	cmd := exec.CommandContext(ctx, s.programs.baseline, args...)
	cmd.Env = append(os.Environ(), "CONSOLE_API_KEY="+apiKey)
	return cmd
}

// baselineMaxBackoff is the longest pause after failures in a row, the default
// of controller-runtime's work queues.
const baselineMaxBackoff = 1000 * time.Second

// connect opens the operator's connection to the console. The baseline needs
// none.
func (s *site) connect(ctx context.Context) error {
	if s.who == baseline {
		return nil
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: operatorNS, Name: connection},
		Data:       map[string][]byte{"apiKey": []byte(apiKey)},
	}
	if err := s.client.Create(ctx, secret); err != nil {
		return fmt.Errorf("create the Secret: %w", err)
	}
	if err := s.client.Create(ctx, newConnection(s.console, s.at, s.at.of(s.interval))); err != nil {
		return fmt.Errorf("create the connection: %w", err)
	}
	return nil
}

// connected waits until the operator has read the console.
func (s *site) connected(ctx context.Context) error {
	if s.who == baseline {
		return nil
	}
	ctx, cancel := context.WithTimeoutCause(ctx, 2*time.Minute, errors.New("the connection did not become Ready"))
	defer cancel()
	var state string
	err := poll(ctx, 20*time.Millisecond, func() (bool, error) {
		c := &v1alpha1.ConsoleConnection{}
		if err := s.client.Get(ctx, client.ObjectKey{Name: connection}, c); err != nil {
			return false, err
		}
		for _, cond := range c.Status.Conditions {
			if cond.Type == v1alpha1.ReadyCondition {
				state = describe(&cond)
				return cond.Status == metav1.ConditionTrue, s.running.alive()
			}
		}
		return false, s.running.alive()
	})
	if err != nil {
		return fmt.Errorf("wait for the connection, which is %q: %w\n%s", state, err, s.running.tail())
	}
	return nil
}

// checkEvery changes the drift interval.
func (s *site) checkEvery(ctx context.Context, interval time.Duration) error {
	c := &v1alpha1.ConsoleConnection{}
	if err := s.client.Get(ctx, client.ObjectKey{Name: connection}, c); err != nil {
		return err
	}
	before := c.DeepCopy()
	c.Spec.Drift.Interval.Duration = interval
	if err := s.client.Patch(ctx, c, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("change the drift interval: %w", err)
	}
	return nil
}

// sleep waits, unless the process under test ends.
func (s *site) sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return s.running.alive()
	case err := <-s.running.done:
		s.running.done <- err
		return s.running.alive()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
