package harness

import (
	"context"
	"crypto/rand"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// DriftInterval is the drift interval of a test's connection.
const DriftInterval = time.Second

// Options say what a test's console and connection are like. The zero value is
// a console at its documented best with the people of [People], and a
// connection that compares every [DriftInterval].
type Options struct {
	// Windows are the limits that the console counts and that the connection
	// keeps to; nil: 400 per 10s, which is in nobody's way.
	Windows []consolesim.Window
	// Behavior changes the console's switches before anything is read.
	Behavior func(*consolesim.Behavior)
	// Console changes what else the console is made with.
	Console func(*consolesim.Options)
	// Teams that the console has at first.
	Teams []consolesim.Team
	// Connection changes the spec before the connection is created.
	Connection func(*v1alpha1.ConsoleConnectionSpec)
	// Unconnected leaves it to the test to create the connection and Secret.
	Unconnected bool
	// Kubernetes sees every request of an operator of the test's own to the
	// API server; its error is what the operator gets instead of an answer.
	Kubernetes func(*http.Request) error
	// Manager changes the options of the manager of an operator of the test's
	// own.
	Manager func(namespace string, options *ctrl.Options)
	// Verbose has an operator of the test's own log all that it can.
	Verbose bool
	// ExpectViolations is for tests that overfill the console's windows with
	// requests of their own.
	ExpectViolations bool
}

// People are in every test's console: two Admins, two Members, one Read Only.
func People() []consolesim.User { return consolesim.DemoState().Users }

// An Env is what one test works with.
type Env struct {
	T        *testing.T
	Operator *Operator
	// Sim is the console. Its methods that edit play a person at it.
	Sim *consolesim.Server
	// Endpoint is where the console serves.
	Endpoint string
	// Key is the API key, which must be seen nowhere.
	Key string
	// Namespace is where the test's objects are, unless they name another.
	Namespace string
	// Connection is the connection as it was created; nil if Unconnected.
	Connection *v1alpha1.ConsoleConnection

	options Options
	cluster *cluster
	gate    *gate
	server  *httptest.Server
	// What was made, to look through and to delete at the end.
	secrets, spaces, connections []string
	// open are the connections to the console.
	open atomic.Int64
	// logged and generally are how much the operator and libraries had logged
	// before.
	logged, generally int
}

// Shared gives the test an environment with the operator that all such tests
// share, and marks the test as parallel.
func Shared(t *testing.T, o Options) *Env {
	t.Helper()
	t.Parallel()
	return newEnv(t, sharedOperator(t), o)
}

// Own gives the test an environment with an operator of its own, already
// started, and marks the test as parallel.
func Own(t *testing.T, o Options) *Env {
	t.Helper()
	t.Parallel()
	return newOwn(t, sharedCluster(t), o)
}

// Alone is Own with an API server of the test's own, for a test that would
// spoil it for others. It never is the cluster of the current kubeconfig.
func Alone(t *testing.T, o Options) *Env {
	t.Helper()
	t.Parallel()
	return newOwn(t, ownCluster(t, currentCRDs), o)
}

func newOwn(t *testing.T, c *cluster, o Options) *Env {
	t.Helper()
	operator, err := newOperator(c)
	if err != nil {
		t.Fatal(err)
	}
	operator.kubernetes, operator.manager, operator.verbose = o.Kubernetes, o.Manager, o.Verbose
	operator.Start(t)
	t.Cleanup(operator.Stop)
	return newEnv(t, operator, o)
}

// Stopped is Own with an operator that does not run yet.
func Stopped(t *testing.T, o Options) *Env {
	t.Helper()
	t.Parallel()
	return notStarted(t, sharedCluster(t), o)
}

// Outside gives the test an environment for operators that are processes of
// their own, and marks the test as parallel: [Env.Operator] does not run. The API
// server is the test's own, and never that of the current kubeconfig, because
// such operators look after all objects there are.
func Outside(t *testing.T, o Options) *Env {
	t.Helper()
	t.Parallel()
	return notStarted(t, ownCluster(t, currentCRDs), o)
}

func notStarted(t *testing.T, c *cluster, o Options) *Env {
	t.Helper()
	operator, err := newOperator(c)
	if err != nil {
		t.Fatal(err)
	}
	return newEnv(t, operator, o)
}

func newEnv(t *testing.T, operator *Operator, o Options) *Env {
	t.Helper()
	if o.Windows == nil {
		o.Windows = []consolesim.Window{{Requests: 400, Per: 10 * time.Second}}
	}
	key := "canary-" + strings.ToLower(rand.Text())
	behavior := consolesim.DefaultBehavior()
	if o.Behavior != nil {
		o.Behavior(&behavior)
	}
	made := consolesim.Options{Keys: []string{key}, Windows: o.Windows, Behavior: &behavior}
	if o.Console != nil {
		o.Console(&made)
	}
	sim := consolesim.New(made)
	if err := sim.Load(consolesim.State{Users: People(), Teams: o.Teams, Roles: consolesim.DemoState().Roles}); err != nil {
		t.Fatal(err)
	}
	before := &gate{next: sim}
	server := httptest.NewUnstartedServer(before)
	e := &Env{
		T: t, Operator: operator, Sim: sim, Key: key, secrets: []string{key},
		options: o, cluster: operator.cluster, gate: before, server: server,
		logged: len(operator.Log.all()), generally: len(general.all()),
	}
	server.Config.ConnState = e.connection
	server.Start()
	e.Endpoint = server.URL
	t.Cleanup(e.close)
	e.Namespace = e.NewNamespace(nil)
	if !o.Unconnected {
		e.CreateSecret(e.Namespace, key)
		e.Connection = e.NewConnection(e.Namespace)
		if o.Connection != nil {
			o.Connection(&e.Connection.Spec)
		}
		e.Create(e.Connection)
	}
	return e
}

// NewNamespace makes another namespace, with labels.
func (e *Env) NewNamespace(labels map[string]string) string {
	e.T.Helper()
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "t-", Labels: labels}}
	if err := e.cluster.client.Create(e.T.Context(), ns); err != nil {
		e.T.Fatalf("create a namespace: %v", err)
	}
	e.spaces = append(e.spaces, ns.Name)
	return ns.Name
}

// CreateSecret puts an API key where connections look for it.
func (e *Env) CreateSecret(name, key string) *corev1.Secret {
	e.T.Helper()
	e.conceal(key)
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.Operator.Namespace, Name: name},
		Data:       map[string][]byte{"apiKey": []byte(key)},
	}
	if err := e.cluster.client.Create(e.T.Context(), secret); err != nil {
		e.T.Fatalf("create the Secret: %v", err)
	}
	return secret
}

// NewConnection returns a connection to the test's console, not yet created,
// that takes its key from the Secret of the same name.
func (e *Env) NewConnection(name string) *v1alpha1.ConsoleConnection {
	c := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: name}}
	c.Spec.Endpoint = e.Endpoint
	c.Spec.APIKeySecretRef.Name = name
	c.Spec.Drift.Interval.Duration = DriftInterval
	for _, w := range e.options.Windows {
		c.Spec.RateLimit.Windows = append(c.Spec.RateLimit.Windows,
			v1alpha1.RateLimitWindow{Requests: int32(w.Requests), Per: metav1.Duration{Duration: w.Per}})
	}
	return c
}

// connection counts the connections to the console.
func (e *Env) connection(_ net.Conn, state http.ConnState) {
	switch state {
	case http.StateNew:
		e.open.Add(1)
	case http.StateClosed, http.StateHijacked:
		e.open.Add(-1)
	}
}

// Connections is how many connections to the console are open.
func (e *Env) Connections() int { return int(e.open.Load()) }

// close holds the test to what is always true, and cleans up.
func (e *Env) close() {
	// The test's own context has ended by now.
	ctx, cancel := context.WithTimeout(context.Background(), manyTimeout)
	defer cancel()
	e.checkWindows()
	e.checkSecrecy(ctx)
	if lines := e.Operator.Log.panics(); len(lines) > 0 {
		e.T.Errorf("the operator panicked:\n%s", strings.Join(lines, "\n"))
	}
	e.cleanUp(ctx)
	e.server.CloseClientConnections()
	e.server.Close()
}
