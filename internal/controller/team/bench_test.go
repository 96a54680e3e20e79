package team

import (
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
	measure "github.com/console-access/console-access-operator/internal/metrics"
	"github.com/console-access/console-access-operator/internal/quota"
)

const (
	ada    = "ada@example.com"
	grace  = "grace@example.com"
	apiKey = "console-bench"
)

// A bench is the reconciler over Kubernetes objects in memory and, through the
// real client and view, the simulated console.
type bench struct {
	*Reconciler
	sim        *consolesim.Server
	project    *console.Project
	connection *v1alpha1.ConsoleConnection
	recorder   *events.FakeRecorder
	url        string
	transport  http.RoundTripper
}

func inBubble(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sim := consolesim.New(consolesim.Options{Keys: []string{apiKey}, Windows: []consolesim.Window{}})
		server := sim.InMemory()
		defer server.Close()
		limiter := quota.New(quota.Config{})
		defer limiter.Close()
		api, err := statsig.New(statsig.Config{Endpoint: server.URL, APIKey: apiKey, Limiter: limiter, Transport: server.Transport})
		if err != nil {
			t.Fatal(err)
		}
		project := console.NewProject(api, limiter)
		defer project.Close()
		connection := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: "default", Generation: 1}}
		connection.Spec.Drift.Policy = v1alpha1.DriftCorrect
		b := &bench{sim: sim, project: project, connection: connection, recorder: events.NewFakeRecorder(1000), url: server.URL, transport: server.Transport}
		b.Reconciler = &Reconciler{Desk: access.Desk{
			Client: newClient(t, connection), Links: &access.Registry{}, Events: b.recorder, Queue: &access.Queue{},
			Memory: &access.Memory{}, Kind: "Team", Metrics: measure.New(prometheus.NewRegistry()),
		}}
		b.Links.Set("default", b.link())
		for _, email := range []string{ada, grace} {
			sim.PutUser(consolesim.User{Email: email, Role: "Member"})
		}
		test(t, b)
	})
}

func (b *bench) link() *access.Link {
	brake := access.NewBrake(access.BrakeRecord{}, nil, nil)
	brake.Configure(1, time.Minute)
	return &access.Link{KeyDigest: "auto-1", Project: b.project, Brake: brake}
}

func newClient(t *testing.T, objects ...client.Object) client.Client {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithStatusSubresource(&v1alpha1.Team{}, &v1alpha1.ConsoleConnection{}).
		WithIndex(&v1alpha1.Team{}, access.ConnectionIndex, access.Indices[access.ConnectionIndex]).
		WithIndex(&v1alpha1.Team{}, access.ClaimIndex, access.Indices[access.ClaimIndex]).
		WithIndex(&v1alpha1.Team{}, idIndex, indices[idIndex]).
		WithIndex(&v1alpha1.Team{}, intentIndex, indices[intentIndex]).
		Build()
}

// key is that of a Team by its name, in the namespace tenant unless it names another.
func key(name string) types.NamespacedName {
	if namespace, inside, ok := strings.Cut(name, "/"); ok {
		return types.NamespacedName{Namespace: namespace, Name: inside}
	}
	return types.NamespacedName{Namespace: "tenant", Name: name}
}

// object is a Team of that name with what change sets; see [key].
func object(name string, change func(*v1alpha1.Team)) *v1alpha1.Team {
	team := &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Namespace: key(name).Namespace, Name: key(name).Name, UID: types.UID(name), Generation: 1}}
	if change != nil {
		change(team)
	}
	return team
}

func (b *bench) apply(t *testing.T, team *v1alpha1.Team) {
	t.Helper()
	if err := b.Client.Create(t.Context(), team); err != nil {
		t.Fatal(err)
	}
}

// edit changes an object as a person does.
func (b *bench) edit(t *testing.T, name string, change func(*v1alpha1.Team)) {
	t.Helper()
	team := b.get(t, name)
	change(team)
	team.Generation++
	if err := b.Client.Update(t.Context(), team); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) get(t *testing.T, name string) *v1alpha1.Team {
	t.Helper()
	team := &v1alpha1.Team{}
	if err := b.Client.Get(t.Context(), key(name), team); err != nil {
		t.Fatal(err)
	}
	return team
}

// once reconciles an object a single time.
func (b *bench) once(t *testing.T, name string) ctrl.Result {
	t.Helper()
	result, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: key(name)})
	if err != nil {
		t.Fatalf("reconcile %s: %v", name, err)
	}
	return result
}

// reconcile does it ten times within a second or two, as notifications and
// short pauses would, and returns the last result.
func (b *bench) reconcile(t *testing.T, name string) (result ctrl.Result) {
	t.Helper()
	for range 10 {
		result = b.once(t, name)
		time.Sleep(200 * time.Millisecond)
	}
	return result
}

// gone has a deleted object looked at until it is gone.
func (b *bench) gone(t *testing.T, name string) {
	t.Helper()
	b.reconcile(t, name)
	if err := b.Client.Get(t.Context(), key(name), &v1alpha1.Team{}); !apierrors.IsNotFound(err) {
		t.Errorf("%s is still there: %v, %+v", name, err, b.get(t, name).Status.Conditions)
	}
}

// reason is why the object is as it is.
func (b *bench) reason(t *testing.T, name string) string {
	t.Helper()
	for _, c := range b.get(t, name).Status.Conditions {
		if c.Type == v1alpha1.ReadyCondition {
			return c.Reason
		}
	}
	return ""
}

func (b *bench) wants(t *testing.T, name, reason string) {
	t.Helper()
	if got := b.reason(t, name); got != reason {
		t.Errorf("%s is %s, want %s: %+v", name, got, reason, b.get(t, name).Status.Conditions)
	}
}

// list has the listings read again.
func (b *bench) list(t *testing.T) {
	t.Helper()
	time.Sleep(time.Minute)
	by := console.Caller{Key: "lister", Lane: quota.Drift}
	_ = b.project.ReadUsers(by, time.Now())
	_ = b.project.ReadTeams(by, time.Now())
	time.Sleep(time.Second)
}

func (b *bench) behave(t *testing.T, change func(*consolesim.Behavior)) {
	t.Helper()
	if err := b.sim.SetBehavior(change); err != nil {
		t.Fatal(err)
	}
}

func emails(list ...v1alpha1.EmailAddress) []v1alpha1.EmailAddress {
	return append([]v1alpha1.EmailAddress{}, list...)
}

// emitted reports whether an event says that, and drops all before it.
func (b *bench) emitted(said string) bool {
	for {
		select {
		case event := <-b.recorder.Events:
			if strings.Contains(event, said) {
				return true
			}
		default:
			return false
		}
	}
}
