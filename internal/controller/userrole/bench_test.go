package userrole

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/metrics"
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
	// restart has another process take the place of this one, until its end.
	restart func() (end func())
}

func inBubble(t *testing.T, connect func(*v1alpha1.ConsoleConnection), test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sim := consolesim.New(consolesim.Options{Keys: []string{apiKey}, Windows: []consolesim.Window{}})
		server := sim.InMemory()
		defer server.Close()
		limiter := quota.New(quota.Config{})
		defer limiter.Close()
		view := func(options ...console.Option) *console.Project {
			api, err := statsig.New(statsig.Config{Endpoint: server.URL, APIKey: apiKey, Limiter: limiter, Transport: server.Transport})
			if err != nil {
				t.Fatal(err)
			}
			return console.NewProject(api, limiter, options...)
		}
		project := view()
		defer project.Close()
		connection := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: "default", Generation: 1}}
		connection.Spec.Drift.Policy = v1alpha1.DriftCorrect
		if connect != nil {
			connect(connection)
		}
		scheme := runtime.NewScheme()
		for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
			if err := add(scheme); err != nil {
				t.Fatal(err)
			}
		}
		b := &bench{sim: sim, project: project, connection: connection, recorder: events.NewFakeRecorder(1000)}
		b.restart = func() (end func()) {
			var demotions console.Demotions
			demotions.NoteFormer()
			b.project = view(console.ShareDemotions(&demotions))
			b.Memory, b.Links = &access.Memory{}, &access.Registry{}
			b.Links.Set("default", b.link())
			return b.project.Close
		}
		b.Reconciler = &Reconciler{Desk: access.Desk{
			Client: fake.NewClientBuilder().WithScheme(scheme).WithObjects(connection).WithStatusSubresource(&v1alpha1.UserRole{}, &v1alpha1.ConsoleConnection{}).
				WithIndex(&v1alpha1.UserRole{}, access.ClaimIndex, access.Indices[access.ClaimIndex]).Build(),
			Links: &access.Registry{}, Events: b.recorder, Queue: &access.Queue{}, Memory: &access.Memory{}, Kind: "UserRole",
			Metrics: metrics.New(prometheus.NewRegistry()),
		}}
		b.Links.Set("default", b.link())
		test(t, b)
	})
}

func (b *bench) link() *access.Link {
	return &access.Link{KeyDigest: "auto-1", Project: b.project, Brake: access.NewBrake(access.BrakeRecord{}, nil, nil)}
}

// key is that of a UserRole by its name, in the namespace tenant unless it names another.
func key(name string) types.NamespacedName {
	if namespace, inside, ok := strings.Cut(name, "/"); ok {
		return types.NamespacedName{Namespace: namespace, Name: inside}
	}
	return types.NamespacedName{Namespace: "tenant", Name: name}
}

func (b *bench) put(email, role string) { b.sim.PutUser(consolesim.User{Email: email, Role: role}) }

// apply creates a UserRole, see [key], held in Kubernetes by a finalizer of the test's own.
func (b *bench) apply(t *testing.T, name, email, role string, change func(*v1alpha1.UserRoleSpec)) {
	t.Helper()
	obj := &v1alpha1.UserRole{ObjectMeta: metav1.ObjectMeta{Namespace: key(name).Namespace, Name: key(name).Name, UID: types.UID(name), Generation: 1, Finalizers: []string{"test/keep"}}}
	obj.Spec.Email, obj.Spec.Role = v1alpha1.EmailAddress(email), v1alpha1.RoleName(role)
	if change != nil {
		change(&obj.Spec)
	}
	if err := b.Client.Create(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
}

// reconcile does it ten times within two seconds, as notifications and short
// pauses would, and returns the last result.
func (b *bench) reconcile(t *testing.T, name string) (result ctrl.Result) {
	t.Helper()
	for range 10 {
		var err error
		if result, err = b.Reconcile(t.Context(), ctrl.Request{NamespacedName: key(name)}); err != nil {
			t.Fatalf("reconcile %s: %v", name, err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	return result
}

// delete deletes an object, and reports whether it was let go.
func (b *bench) delete(t *testing.T, name string) bool {
	t.Helper()
	if err := b.Client.Delete(t.Context(), b.get(t, name)); err != nil {
		t.Fatal(err)
	}
	b.reconcile(t, name)
	return len(b.get(t, name).Finalizers) == 1
}

func (b *bench) get(t *testing.T, name string) *v1alpha1.UserRole {
	t.Helper()
	obj := &v1alpha1.UserRole{}
	if err := b.Client.Get(t.Context(), key(name), obj); err != nil {
		t.Fatal(err)
	}
	return obj
}

func (b *bench) wants(t *testing.T, name, reason string) {
	t.Helper()
	for _, c := range b.get(t, name).Status.Conditions {
		if c.Type == v1alpha1.ReadyCondition && c.Reason == reason {
			return
		}
	}
	t.Errorf("%s is not %s: %+v", name, reason, b.get(t, name).Status.Conditions)
}

func (b *bench) has(t *testing.T, email, role string) {
	t.Helper()
	if user, ok := b.sim.User(email); !ok || user.Role != role {
		t.Errorf("%s has the role %q, want %q", email, user.Role, role)
	}
}

// once reconciles an object a single time.
func (b *bench) once(t *testing.T, name string) {
	t.Helper()
	if _, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: key(name)}); err != nil {
		t.Fatalf("reconcile %s: %v", name, err)
	}
}

// edit changes a spec as a person does.
func (b *bench) edit(t *testing.T, name string, change func(*v1alpha1.UserRoleSpec)) {
	t.Helper()
	obj := b.get(t, name)
	change(&obj.Spec)
	obj.Generation++
	if err := b.Client.Update(t.Context(), obj); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) behave(t *testing.T, change func(*consolesim.Behavior)) {
	t.Helper()
	if err := b.sim.SetBehavior(change); err != nil {
		t.Fatal(err)
	}
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
