package command

import (
	"bytes"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/plugin/terminal"
)

const key = "canary-key-of-this-test"

// simulated serves a console.
func simulated(t *testing.T, change func(*consolesim.Behavior)) (*consolesim.Server, string) {
	t.Helper()
	b := consolesim.DefaultBehavior()
	if change != nil {
		change(&b)
	}
	sim := consolesim.New(consolesim.Options{
		Keys: []string{key}, Behavior: &b, Windows: []consolesim.Window{{Requests: 100, Per: 10 * time.Second}},
	})
	if err := sim.Load(consolesim.DemoState()); err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	return sim, server.URL
}

// run runs a command line; the key must not be in what it prints.
func run(t *testing.T, stdin string, env map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, err bytes.Buffer
	streams := terminal.Streams{In: strings.NewReader(stdin), Out: &out, Err: &err, Getenv: func(name string) string { return env[name] }}
	code = Run(t.Context(), args, streams, "test")
	if strings.Contains(out.String()+err.String(), key) {
		t.Errorf("the output of %q holds the key", args)
	}
	return code, out.String(), err.String()
}

func write(t *testing.T, text string) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return name
}

func TestWhereTheKeyComesFrom(t *testing.T) {
	_, url := simulated(t, nil)
	for _, tt := range []struct {
		title, stdin string
		env          map[string]string
		args         []string
	}{
		{"file", "", nil, []string{"--api-key-file", write(t, key+"\n")}},
		{"standard input", key + "\n", nil, []string{"--api-key-file", "-"}},
		{"environment", "", map[string]string{keyVariable: key}, nil},
		{"file before environment", "", map[string]string{keyVariable: "another"}, []string{"--api-key-file", write(t, key)}},
	} {
		code, out, err := run(t, tt.stdin, tt.env, append([]string{"export", "--endpoint", url}, tt.args...)...)
		if code != exitOK || strings.Count(out, "kind: UserRole") != 5 || !strings.Contains(err, "Exported 1 Teams and 5 UserRoles") {
			t.Errorf("%s: exit code %d\n%s%s", tt.title, code, out, err)
		}
	}
}

func TestExportRefuses(t *testing.T) {
	_, url := simulated(t, nil)
	_, restless := simulated(t, func(b *consolesim.Behavior) { b.MaxPageSize, b.MoveBetweenPages = 2, -1 })
	full := t.TempDir()
	if err := os.WriteFile(filepath.Join(full, "mine.yaml"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	with := func(args ...string) []string { return append([]string{"export", "--endpoint", url}, args...) }
	for _, tt := range []struct {
		title, key string
		args       []string
		says       string
	}{
		{"no key", "", with(), "no API key was given"},
		{"an empty file", "", with("--api-key-file", write(t, "\n")), "is empty"},
		{"a missing file", "", with("--api-key-file", "missing"), "read --api-key-file"},
		{"a wrong key", "another", with(), "does not accept the API key"},
		{"a key of two lines", "a\nb", with(), "the API key holds"},
		{"plain http", key, []string{"export", "--endpoint", "http://192.0.2.1"}, "--allow-insecure"},
		{"no URL", key, []string{"export", "--endpoint", "statsigapi.net"}, "https://host"},
		{"another vendor", key, with("--provider", "Other"), `provider "Other" is not known`},
		{"share", key, with("--share", "101"), "from 1 to 100"},
		{"manage", key, with("--manage", "none"), "access, given or all"},
		{"split", key, with("--split", "file"), "object or kind"},
		{"output", key, with("-o", "table"), "yaml or json"},
		{"pattern", key, with("--team", "["), "malformed"},
		{"operand", key, with("growth"), "everything is given by flags"},
		{"a directory in use", key, with("--output-dir", full), "--overwrite"},
		{"lists that never agree", key, []string{"export", "--endpoint", restless}, "changed each of the 4 times"},
	} {
		code, out, err := run(t, "", map[string]string{keyVariable: tt.key}, tt.args...)
		if code != exitError || !strings.Contains(err, tt.says) || out != "" {
			t.Errorf("%s: exit code %d, and it says %q, want %q; on standard output %q", tt.title, code, err, tt.says, out)
		}
	}
}

func TestExportSelectsAndTells(t *testing.T) {
	sim, url := simulated(t, func(b *consolesim.Behavior) { b.DuplicateTeamNames = consolesim.NamesAllow })
	for range 2 {
		sim.PutTeam(consolesim.Team{Name: "Twice"})
	}
	env := map[string]string{keyVariable: key}
	for _, tt := range []struct {
		title              string
		args               []string
		teams, roles, says string
	}{
		{"all", nil, "Compilers", "ada alan barbara edsger grace", "2 teams of this name"},
		{"a team", []string{"--team", "Comp*"}, "Compilers", "", "Exported 1 Teams and 0 UserRoles."},
		{"people", []string{"--user", "A*@Example.com", "--user", "grace@*"}, "", "ada alan grace", "Exported 0 Teams and 3 UserRoles."},
		{"both", []string{"--user", "ada*", "--team", "?ompilers"}, "Compilers", "ada", "Exported 1 Teams and 1 UserRoles."},
		{"none", []string{"--team", "None"}, "", "", "Exported 0 Teams and 0 UserRoles."},
	} {
		code, out, err := run(t, "", env, append([]string{"export", "--endpoint", url}, tt.args...)...)
		var teams, roles []string
		for line := range strings.Lines(out) {
			if name, ok := strings.CutPrefix(line, "  name: C"); ok {
				teams = append(teams, "C"+strings.TrimSpace(name))
			}
			if email, ok := strings.CutPrefix(line, "  email: "); ok {
				name, _, _ := strings.Cut(email, "@")
				roles = append(roles, name)
			}
		}
		if code != exitOK || strings.Join(teams, " ") != tt.teams || strings.Join(roles, " ") != tt.roles || !strings.Contains(err, tt.says) {
			t.Errorf("%s: exit code %d, teams %v, roles %v, and it says %q", tt.title, code, teams, roles, err)
		}
	}
}

func TestCompletion(t *testing.T) {
	for _, tt := range []struct{ args, says string }{
		{"completion kubectl", "exec kubectl console-access __complete"},
		{"completion bash", "kubectl-console_access"},
		{"__complete export --manage ", "given"},
		{"__complete suspend ", "userrole"},
		{"__complete ", "resume"},
	} {
		code, out, _ := run(t, "", nil, strings.Split(tt.args, " ")...)
		if code != exitOK || !strings.Contains(out, tt.says) {
			t.Errorf("%s: exit code %d, and it does not say %q:\n%.300s", tt.args, code, tt.says, out)
		}
	}
}

func TestEveryCommandExplainsItself(t *testing.T) {
	a := &app{}
	for _, cmd := range a.root().Commands() {
		if cmd.Name() == "completion" || cmd.Name() == "help" {
			continue
		}
		if cmd.Short == "" || cmd.Long == "" || !strings.Contains(cmd.Example, "kubectl console-access "+cmd.Name()) {
			t.Errorf("%s lacks a description or an example", cmd.Name())
		}
		if cmd.Args == nil && cmd.ValidArgsFunction == nil {
			t.Errorf("%s says nothing of its arguments", cmd.Name())
		}
	}
}

// TestExportSaysHowToApply: a large Team does not fit into the annotation that
// kubectl apply keeps a manifest in, unless the server applies it.
func TestExportSaysHowToApply(t *testing.T) {
	_, url := simulated(t, nil)
	dir := filepath.Join(t.TempDir(), "manifests")
	code, _, err := run(t, "", map[string]string{keyVariable: key}, "export", "--endpoint", url, "-n", "growth", "--output-dir", dir)
	if code != exitOK || !strings.Contains(err, "kubectl apply --server-side -f "+dir) {
		t.Errorf("exit code %d, and it says %q", code, err)
	}
}

// TestPlanRefusesWithoutACluster what Kubernetes would refuse, every one of them,
// before the console is read.
func TestPlanRefusesWithoutACluster(t *testing.T) {
	sim, url := simulated(t, nil)
	manifests := write(t, "apiVersion: console-access.dev/v1alpha1\nkind: Team\nmetadata: {name: a}\nspec: {members: [ada]}\n"+
		"---\napiVersion: console-access.dev/v1alpha1\nkind: UserRole\nmetadata: {name: b}\nspec: {role: Member}\n")
	code, out, err := run(t, "", map[string]string{keyVariable: key}, "plan", "--endpoint", url, "-f", manifests)
	for _, says := range []string{"would refuse 2 of 2", `Team.console-access.dev "a" is invalid: spec.members[0]`, `UserRole.console-access.dev "b" is invalid: [spec.email: Required`} {
		if code != exitError || out != "" || !strings.Contains(err, says) {
			t.Errorf("exit code %d, and it does not say %q: %s%s", code, says, out, err)
		}
	}
	if n := len(sim.Requests()); n != 0 {
		t.Errorf("%d requests to the console", n)
	}
}
