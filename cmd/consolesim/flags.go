package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// errUsage means that the command line is wrong and that this has been said.
var errUsage = errors.New("usage")

// config is the command line.
type config struct {
	listen          string
	options         consolesim.Options
	keyIsDefault    bool
	stateFile       string
	users           int
	teams           int
	members         int
	tlsCert, tlsKey string
}

const usageHead = `consolesim serves a simulated Console API.

Usage:
  consolesim [flags]

Examples:
  # a small project, for a demonstration
  consolesim --api-key console-demo

  # 1,000 users and 200 teams of 10, tighter limits, answers as unlike the
  # documentation as they may be
  consolesim --api-key console-demo --seed-users 1000 --seed-teams 200 --seed-members 10 \
    --window 20/10s --window 200/15m --behavior roleSpelling=kebab --behavior lowercaseEmails=true

  # look at it, and play a person who changes something by hand
  curl -s http://127.0.0.1:8787/_sim/state
  curl -s http://127.0.0.1:8787/_sim/quota
  curl -s -X PUT http://127.0.0.1:8787/_sim/users/ada@example.com -d '{"role":"Member"}'

  # lose the answer to the next team that is created
  curl -s http://127.0.0.1:8787/_sim/faults -d '{"endpoint":"createTeam","effect":"cut-after","times":1}'

Flags:
`

// parse reads the command line. What is wrong with it is written to stderr.
func parse(args []string, getenv func(string) string, stdout, stderr io.Writer) (*config, error) {
	c := &config{}
	b := consolesim.DefaultBehavior()
	c.options.Behavior = &b
	fs := flag.NewFlagSet("consolesim", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.Usage = func() {}
	fs.StringVar(&c.listen, "listen", "127.0.0.1:8787", "`address` to serve on; port 0 chooses a free one")
	key := fs.String("api-key", "", "the console `key` that is accepted; default: $"+keyVariable+
		", or else "+consolesim.DefaultKey)
	fs.StringVar(&c.stateFile, "state", "", "`file` with the users, teams, roles and settings to begin with, as JSON "+
		"in the form of GET /_sim/state; default: a small project of five users")
	fs.IntVar(&c.users, "seed-users", 0, "begin with this `number` of users, user0001@example.com and so on, "+
		"instead of the small project")
	fs.IntVar(&c.teams, "seed-teams", 0, "begin with this `number` of teams")
	fs.IntVar(&c.members, "seed-members", 5, "`number` of members of each of these teams")
	fs.StringVar(&c.options.CompanyDomain, "company-domain", "", "mail `domain` outside of which invitations are refused")
	fs.Func("window", "a limit, as `REQUESTS/PER`; repeatable; default: 100/10s and 900/15m", func(text string) error {
		w, err := consolesim.ParseWindow(text)
		c.options.Windows = append(c.options.Windows, w)
		return err
	})
	fs.Func("behavior", "a switch, as `NAME=POSITION`; repeatable. The switches:\n  "+
		strings.Join(consolesim.Switches(), "\n  "), func(text string) error {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return errors.New("write NAME=POSITION")
		}
		return b.Set(name, value)
	})
	latency := fs.Duration("latency", 0, "delay of every request, such as 50ms; the same as --behavior latency=")
	fs.Uint64Var(&c.options.RandSeed, "rand-seed", 0, "makes faults that strike by probability repeatable")
	fs.BoolVar(&c.options.RemoteControl, "remote-control", false, "let other machines use /_sim/, which asks for no key")
	fs.StringVar(&c.tlsCert, "tls-cert", "", "`file` with a certificate, to serve https")
	fs.StringVar(&c.tlsKey, "tls-key", "", "`file` with the certificate's key")

	err := fs.Parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(stdout, usageHead)
		fs.SetOutput(stdout)
		fs.PrintDefaults()
		return nil, err
	}
	if err == nil {
		if err = c.check(fs.Args(), *latency); err != nil {
			fmt.Fprintln(stderr, err)
		}
	}
	if err != nil {
		fmt.Fprintln(stderr, "See consolesim --help.")
		return nil, errUsage
	}
	if *latency > 0 {
		b.Latency = *latency
	}
	c.setKey(*key, getenv(keyVariable))
	return c, nil
}

// setKey takes the first that is given: the flag, the variable, the default.
func (c *config) setKey(fromFlag, fromEnv string) {
	switch {
	case fromFlag != "":
		c.options.Keys = []string{fromFlag}
	case fromEnv != "":
		c.options.Keys = []string{fromEnv}
	default:
		c.keyIsDefault = true
	}
}

func (c *config) check(rest []string, latency time.Duration) error {
	switch {
	case len(rest) > 0:
		return fmt.Errorf("unexpected argument %q: everything is given by flags", rest[0])
	case c.users < 0 || c.teams < 0 || c.members < 0 || latency < 0:
		return errors.New("--seed-users, --seed-teams, --seed-members and --latency must not be negative")
	case c.teams > 0 && c.users == 0:
		return errors.New("--seed-teams needs --seed-users: teams take their members from them")
	case c.stateFile != "" && c.users > 0:
		return errors.New("--state and --seed-users exclude each other")
	case (c.tlsCert == "") != (c.tlsKey == ""):
		return errors.New("--tls-cert and --tls-key go together")
	}
	return c.options.Validate()
}

// fill puts the first users, teams and roles into the project.
func (c *config) fill(sim *consolesim.Server) error {
	if c.users > 0 {
		sim.Seed(c.users, c.teams, c.members)
		return nil
	}
	state := consolesim.DemoState()
	if c.stateFile != "" {
		text, err := os.ReadFile(c.stateFile)
		if err != nil {
			return fmt.Errorf("read --state: %w", err)
		}
		state = consolesim.State{}
		if err := json.Unmarshal(text, &state); err != nil {
			return fmt.Errorf("read --state %s: %w", c.stateFile, err)
		}
	}
	return sim.Load(state)
}
