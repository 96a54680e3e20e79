package command

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/plugin/cluster"
	"github.com/console-access/console-access-operator/internal/plugin/inventory"
	"github.com/console-access/console-access-operator/internal/plugin/target"
	"github.com/console-access/console-access-operator/internal/plugin/terminal"
)

const (
	// keyVariable is the environment variable that may hold the API key.
	keyVariable = "CONSOLE_ACCESS_API_KEY"
	// defaultOperatorNamespace is where the operator is when nobody says so.
	defaultOperatorNamespace = "console-access-system"
	// maxKeyBytes bounds what is read as a key.
	maxKeyBytes = 4096
)

// consoleFlags say which console a command reads, and with which key.
type consoleFlags struct {
	connection        string
	operatorNamespace string
	provider          string
	endpoint          string
	keyFile           string
	caFile            string
	allowInsecure     bool
	share             int
}

func (f *consoleFlags) add(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&f.connection, "connection", "", "the ConsoleConnection of the cluster to go through; its Secret holds the key")
	flags.StringVar(&f.operatorNamespace, "operator-namespace", defaultOperatorNamespace, "the `namespace` of the operator, and so of that Secret")
	flags.StringVar(&f.provider, "provider", string(v1alpha1.ProviderStatsig), "the console's vendor, without --connection")
	flags.StringVar(&f.endpoint, "endpoint", statsig.DefaultEndpoint, "`URL` of the Console API, without --connection")
	flags.StringVar(&f.keyFile, "api-key-file", "", "`file` that holds the Console API key, - for standard input; default: $"+keyVariable)
	flags.StringVar(&f.caFile, "ca-file", "", "`file` with PEM certificates to trust instead of the system's, without --connection")
	flags.BoolVar(&f.allowInsecure, "allow-insecure", false, "permit a plain http endpoint on another machine, without --connection")
	flags.IntVar(&f.share, "share", 0, "`percent` of the console's rate limit to use; default: what the connection's operator leaves, or 90 without --connection")
	for _, alone := range []string{"provider", "endpoint", "ca-file", "allow-insecure"} {
		cmd.MarkFlagsMutuallyExclusive("connection", alone)
	}
}

// A reached console is what a command reads from. Close it.
type reached struct {
	*target.Console
	target target.Target
	// connection and cluster are nil without --connection.
	connection *v1alpha1.ConsoleConnection
	cluster    *cluster.Cluster
}

// reach opens the way to the console that the flags name.
func (a *app) reach(ctx context.Context, f *consoleFlags) (*reached, error) {
	if f.share < 0 || f.share > 100 {
		return nil, fmt.Errorf("--share is %d: give a percentage from 1 to 100", f.share)
	}
	r, t, err := a.target(ctx, f)
	if err != nil {
		return nil, err
	}
	if f.share > 0 {
		t.Limit.Share = f.share
	}
	r.target = t
	if r.Console, err = t.Open(a.version); err != nil {
		return nil, err
	}
	return r, nil
}

func (a *app) target(ctx context.Context, f *consoleFlags) (*reached, target.Target, error) {
	if f.connection == "" {
		return a.ownTarget(f)
	}
	var t target.Target
	c, err := a.cluster.Connect()
	if err != nil {
		return nil, t, err
	}
	connection, err := c.Connection(ctx, f.connection)
	if err != nil {
		return nil, t, err
	}
	t = target.FromConnection(&connection.Spec)
	if f.keyFile != "" {
		t.APIKey, err = a.keyFrom(f.keyFile)
	} else {
		t.APIKey, err = target.SecretKey(ctx, c, connection, f.operatorNamespace)
	}
	return &reached{connection: connection, cluster: c}, t, err
}

// ownTarget is a console that no connection leads to yet.
func (a *app) ownTarget(f *consoleFlags) (*reached, target.Target, error) {
	t := target.Target{
		Provider: v1alpha1.Provider(f.provider), Endpoint: f.endpoint, AllowInsecure: f.allowInsecure, Limit: target.DefaultLimit(),
	}
	var err error
	switch fromEnv := a.Getenv(keyVariable); {
	case f.keyFile != "":
		t.APIKey, err = a.keyFrom(f.keyFile)
	case fromEnv != "":
		t.APIKey = string(bytes.TrimSpace([]byte(fromEnv)))
	default:
		err = fmt.Errorf("no API key was given: name a ConsoleConnection of the cluster with --connection, "+
			"or give a Console API key with --api-key-file FILE (- for standard input) or $%s", keyVariable)
	}
	if err != nil {
		return nil, t, err
	}
	if f.caFile != "" {
		if t.CABundle, err = os.ReadFile(f.caFile); err != nil {
			return nil, t, fmt.Errorf("read --ca-file: %w", err)
		}
	}
	return &reached{}, t, nil
}

// keyFrom reads the key from a file, or from standard input for "-".
func (a *app) keyFrom(name string) (string, error) {
	from := a.In
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return "", fmt.Errorf("read --api-key-file: %w", err)
		}
		defer func() { _ = file.Close() }()
		from = file
	} else if terminal.IsTerminal(from) {
		return "", errors.New("--api-key-file is - and standard input is a terminal, which would show the key: pipe it in, or put it into a file")
	}
	text, err := io.ReadAll(io.LimitReader(from, maxKeyBytes))
	if err != nil {
		return "", fmt.Errorf("read --api-key-file: %w", err)
	}
	key := string(bytes.TrimSpace(text))
	if key == "" {
		return "", fmt.Errorf("--api-key-file %s is empty: put the Console API key into it", name)
	}
	return key, nil
}

const (
	// progressPause is how often a wait for the quota is shown on a terminal.
	progressPause = time.Second
	// tellPause is how often it is told where there is none.
	tellPause = 30 * time.Second
)

// read reads the whole project, telling on a terminal how far it is.
func (a *app) read(ctx context.Context, r *reached) (*inventory.Inventory, error) {
	live := terminal.NewLive(a.Err)
	defer live.Clear()
	line := make(chan string)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		a.showProgress(live, r.Console, line)
	}()
	defer func() { close(line); <-ended }()
	return inventory.Read(ctx, r.API, func(what string, done, of int) {
		text := "Reading " + what
		if of > 0 {
			text = fmt.Sprintf("%s: %d of %d", text, done, of)
		}
		line <- text
	})
}

// showProgress shows the last text, and what it waits for, until lines ends.
func (a *app) showProgress(live *terminal.Live, c *target.Console, lines <-chan string) {
	ticker := time.NewTicker(progressPause)
	defer ticker.Stop()
	text, told := "", time.Now()
	for {
		select {
		case line, more := <-lines:
			if !more {
				return
			}
			text = line
		case <-ticker.C:
		}
		waiting := waitingFor(c)
		live.Show("%s%s", text, waiting)
		if waiting != "" && !terminal.IsTerminal(a.Err) && time.Since(told) >= tellPause {
			told = time.Now()
			fmt.Fprintln(a.Err, text+waiting)
		}
	}
}

// waitingFor says what calls wait for, if any do.
func waitingFor(c *target.Console) string {
	stats := c.Limiter.Stats()
	waiting := 0
	for _, n := range stats.Waiting {
		waiting += n
	}
	if waiting == 0 {
		return ""
	}
	until := stats.ClosedUntil
	for _, w := range stats.Windows {
		if w.FreesAt.After(until) {
			until = w.FreesAt
		}
	}
	if until.IsZero() {
		return "; waiting for the rate limit"
	}
	return fmt.Sprintf("; waiting for the rate limit until %s", until.Local().Format(time.TimeOnly))
}
