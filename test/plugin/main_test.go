// Package plugin proves what the kubectl plugin promises over a real Kubernetes
// API, the operator, and a simulated console over HTTP.
package plugin

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/plugin/command"
	"github.com/console-access/console-access-operator/internal/plugin/terminal"
	"github.com/console-access/console-access-operator/test/harness"
)

func TestMain(m *testing.M) { os.Exit(harness.Main(m)) }

// A user is somebody with a shell and the plugin.
type user struct {
	*harness.Env
	kubeconfig string
}

// A run is what came of one command.
type run struct {
	code           int
	stdout, stderr string
}

// newUser gives the test an operator and a console that holds a state, as yet
// without any connection between them.
func newUser(t *testing.T, holds consolesim.State, o harness.Options) *user {
	t.Helper()
	o.Unconnected = true
	e := harness.Own(t, o)
	if err := e.Sim.Load(holds); err != nil {
		t.Fatal(err)
	}
	return &user{Env: e, kubeconfig: e.Kubeconfig()}
}

// connect makes the test's connection. It compares so seldom that the console's
// log shows what the plugin did and the first reading, and nothing else.
func (u *user) connect(change ...func(*v1alpha1.ConsoleConnectionSpec)) {
	u.T.Helper()
	u.CreateSecret(u.Namespace, u.Key)
	u.Connection = u.NewConnection(u.Namespace)
	u.Connection.Spec.Drift.Interval = metav1.Duration{Duration: time.Hour}
	for _, f := range change {
		f(&u.Connection.Spec)
	}
	u.Create(u.Connection)
}

// plugin runs the plugin with the test's API key on its standard input. No
// output may hold the key.
func (u *user) plugin(args ...string) run {
	u.T.Helper()
	return u.pipe(u.Key+"\n", args...)
}

// pipe runs the plugin with a text on its standard input.
func (u *user) pipe(stdin string, args ...string) run {
	u.T.Helper()
	var out, err bytes.Buffer
	streams := terminal.Streams{In: strings.NewReader(stdin), Out: &out, Err: &err, Getenv: func(string) string { return "" }}
	args = append([]string{"--kubeconfig", u.kubeconfig, "-n", u.Namespace}, args...)
	code := command.Run(u.T.Context(), args, streams, "test")
	r := run{code, out.String(), err.String()}
	if strings.Contains(r.stdout+r.stderr, u.Key) {
		u.T.Errorf("the API key stands in the output of %q: %s", args, strings.ReplaceAll(r.stdout+r.stderr, u.Key, "[KEY]"))
	}
	return r
}

// ok runs the plugin and fails the test unless that ends well.
func (u *user) ok(args ...string) run {
	u.T.Helper()
	r := u.plugin(args...)
	if r.code != 0 {
		u.Fatalf("kubectl console-access %s: exit code %d\n%s%s", strings.Join(args, " "), r.code, r.stdout, r.stderr)
	}
	return r
}

// direct are the flags that lead to the test's console without the cluster.
func (u *user) direct(args ...string) []string {
	return append(args, "--endpoint", u.Endpoint, "--api-key-file", "-")
}

// applyDir applies every manifest of a directory, and returns how many there are.
func (u *user) applyDir(dir string) int {
	u.T.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) == 0 {
		u.T.Fatalf("there are no manifests in %s: %v", dir, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			u.T.Fatal(err)
		}
		if err := u.TryApply(string(text)); err != nil {
			u.T.Fatalf("apply %s: %v\n%s", file, err, text)
		}
	}
	return len(files)
}

// unready returns, as kind/name: reason: message, the test's objects that are
// not Ready, and how many objects there are.
func (u *user) unready() (all int, unready []string) {
	u.T.Helper()
	teams, roles := &v1alpha1.TeamList{}, &v1alpha1.UserRoleList{}
	for _, list := range []client.ObjectList{teams, roles} {
		if err := u.Client().List(u.T.Context(), list, client.InNamespace(u.Namespace)); err != nil {
			u.T.Fatal(err)
		}
	}
	tell := func(kind string, obj v1alpha1.AccessObject) {
		if c := harness.Ready(obj); c.Status != metav1.ConditionTrue {
			unready = append(unready, kind+"/"+obj.GetName()+": "+c.Reason+": "+c.Message)
		}
	}
	for i := range teams.Items {
		tell("Team", &teams.Items[i])
	}
	for i := range roles.Items {
		tell("UserRole", &roles.Items[i])
	}
	return len(teams.Items) + len(roles.Items), unready
}
