// Package connection reconciles ConsoleConnections: it keeps the way to each
// console open, has its users and teams read once for everybody, and tells how
// the quota stands.
package connection

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/controller/condition"
	"github.com/console-access/console-access-operator/internal/quota"
)

// +kubebuilder:rbac:groups=console-access.dev,resources=consoleconnections,verbs=list;watch;patch
// +kubebuilder:rbac:groups=console-access.dev,resources=consoleconnections/status,verbs=patch
// +kubebuilder:rbac:groups="",resources=namespaces,verbs=list;watch
// +kubebuilder:rbac:groups=events.k8s.io,resources=events,verbs=create;patch
// +kubebuilder:rbac:groups="",resources=secrets,verbs=get;list;watch,namespace=system

// A Reconciler keeps the links of all ConsoleConnections.
type Reconciler struct {
	Client client.Client
	Links  *access.Registry
	Events events.EventRecorder
	Queue  *access.Queue
	// Live reads from the API server, not from a cache: the cache holds no Secret's
	// data.
	Live client.Reader
	// Namespace is the operator's own, the only one Secrets are read from.
	Namespace string

	projects projects
	mu       sync.Mutex
	states   map[string]*state
	closed   bool
}

// A state is what is remembered of a connection between reconciliations.
type state struct {
	link *access.Link
	// brake outlives the link: a connection that is suspended for a moment
	// has not forgotten what was deleted through it.
	brake *access.Brake
	// group is drawn from, and recorded is the group that the status names: where
	// the record is of all that was sent.
	group, recorded string
	// since is how new the listings shall at least be.
	since time.Time
	// told is when the quota was last written into the status.
	told time.Time
	// version is the resourceVersion of our last write to the connection.
	version string
	lag     access.Lag
	// requested is the last check asked for by annotation that was begun.
	requested string
	// failure is how reading the listings failed last, as the log has it.
	failure console.Class
	// apiKey is the key as it was last read.
	apiKey storedKey
}

// New returns a Reconciler that reaches consoles through dial, under the limiters
// of quotas. live reads Secrets from the API server.
func New(c client.Client, live client.Reader, links *access.Registry, recorder events.EventRecorder, namespace string, dial Dial, quotas Quotas) *Reconciler {
	r := &Reconciler{
		Client: c, Live: live, Links: links, Events: recorder, Queue: &access.Queue{}, Namespace: namespace,
		projects: projects{dial: dial, quotas: quotas, views: map[string]*view{}, groups: map[string]*group{}},
		states:   map[string]*state{},
	}
	r.projects.recordLost = r.recordLost
	r.projects.paused = func(group string) {
		for _, name := range r.drawing(group) {
			r.wake(name)()
		}
	}
	return r
}

// drawing names the connections that draw from a quota.
func (r *Reconciler) drawing(group string) (names []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for name, st := range r.states {
		if st.group == group {
			names = append(names, name)
		}
	}
	return names
}

// recordLost tells everybody who draws from a quota that its record was lost.
func (r *Reconciler) recordLost(group, reason string) {
	for _, name := range r.drawing(group) {
		c := &v1alpha1.ConsoleConnection{}
		if err := r.Client.Get(context.Background(), types.NamespacedName{Name: name}, c); err != nil {
			continue
		}
		r.Events.Eventf(c, nil, corev1.EventTypeWarning, "QuotaRecordLost", "Recover",
			"The record of requests made so far was lost (%s), so every window counts as used up until it has passed; nothing needs to be done.", reason)
	}
}

// Close ends all readings and gives up the quota.
func (r *Reconciler) Close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.projects.close()
}

// stopping reports whether readings end because the process does.
func (r *Reconciler) stopping() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// Reconcile opens, keeps or closes the link of one connection.
func (r *Reconciler) Reconcile(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	connection := &v1alpha1.ConsoleConnection{}
	if err := r.Client.Get(ctx, req.NamespacedName, connection); err != nil {
		if apierrors.IsNotFound(err) {
			r.unlink(req.Name)
			r.forget(req.Name)
		}
		return ctrl.Result{}, client.IgnoreNotFound(err)
	}
	if st := r.state(req.Name); access.Older(connection, st.version) {
		// What the cache shows is history: a status compared with it would
		// become Ready a second time.
		return st.lag.Pause(), nil
	}
	if !connection.DeletionTimestamp.IsZero() {
		gone, v, err := r.dismiss(ctx, connection)
		if err != nil || gone && len(connection.Finalizers) == 0 {
			return ctrl.Result{}, err
		}
		if gone {
			return r.finish(ctx, connection, condition.Released(v1alpha1.ReasonConnectionNotReady), 0)
		}
		// The link stays while objects that use it are to be deleted.
		state, _, err := r.sync(ctx, connection)
		if err != nil {
			return ctrl.Result{}, unlessClosed(err)
		}
		if state.Reason == v1alpha1.ReasonConnectionNotReady {
			// They cannot go before this is put right, and learn of it from here.
			v = state
			v.Message += " This connection is being deleted, and stays until the objects that use it are gone."
		}
		return r.finish(ctx, connection, v, time.Second)
	}
	if err := r.hold(ctx, connection); err != nil {
		return ctrl.Result{}, err
	}
	v, again, err := r.sync(ctx, connection)
	if err != nil {
		return ctrl.Result{}, unlessClosed(err)
	}
	return r.finish(ctx, connection, v, again)
}

// unlessClosed returns err, unless the process is stopping and that is why.
func unlessClosed(err error) error {
	if errors.Is(err, quota.ErrClosed) {
		return nil
	}
	return err
}

// state returns what is remembered of a connection.
func (r *Reconciler) state(name string) *state {
	r.mu.Lock()
	defer r.mu.Unlock()
	s, ok := r.states[name]
	if !ok {
		s = &state{}
		r.states[name] = s
	}
	return s
}

func (r *Reconciler) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.states, name)
}

func (r *Reconciler) unlink(name string) {
	r.Links.Set(name, nil)
	r.projects.release(name)
	r.state(name).link = nil
}

func (r *Reconciler) hold(ctx context.Context, c *v1alpha1.ConsoleConnection) error {
	before := c.DeepCopy()
	if !controllerutil.AddFinalizer(c, v1alpha1.Finalizer) {
		return nil
	}
	if err := r.Client.Patch(ctx, c, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})); err != nil {
		return fmt.Errorf("set the finalizer: %w", err)
	}
	r.state(c.Name).version = c.ResourceVersion
	return nil
}

// sync opens the link and has the listings read when they are due. It returns
// the verdict and when to look again.
func (r *Reconciler) sync(ctx context.Context, c *v1alpha1.ConsoleConnection) (condition.Verdict, time.Duration, error) {
	if c.Spec.Suspend {
		r.unlink(c.Name)
		return condition.Suspended("spec.suspend is true, so no calls are made; set it to false to go on."), 0, nil
	}
	key, v, err := r.key(ctx, c)
	if err != nil {
		return condition.Verdict{}, 0, err
	}
	if v == nil {
		v = badSelector(c)
	}
	if v != nil {
		r.unlink(c.Name)
		return *v, 0, nil
	}
	st := r.state(c.Name)
	v, err = r.open(ctx, c, st, key)
	if err != nil {
		return condition.Verdict{}, 0, err
	}
	if v != nil {
		r.unlink(c.Name)
		return *v, 0, nil
	}
	if err := r.approve(ctx, c, st.link.Brake); err != nil {
		return condition.Verdict{}, 0, err
	}
	if err := st.link.Brake.Save(ctx); err != nil {
		return condition.Verdict{}, 0, err
	}
	return r.read(ctx, c, st)
}

// badSelector returns the verdict on a selector that means nothing: nobody would
// be admitted, and nobody told why.
func badSelector(c *v1alpha1.ConsoleConnection) *condition.Verdict {
	if _, err := metav1.LabelSelectorAsSelector(c.Spec.AllowedNamespaces.Selector); err != nil {
		v := condition.Stuck(v1alpha1.ReasonConnectionNotReady, "spec.allowedNamespaces.selector cannot be used: %v. Correct it.", err)
		return &v
	}
	return nil
}

// open makes sure that the link leads where the spec says, with this key.
func (r *Reconciler) open(ctx context.Context, c *v1alpha1.ConsoleConnection, st *state, key string) (*condition.Verdict, error) {
	group := groupOf(&c.Spec, key)
	target := Target{Provider: c.Spec.Provider, Endpoint: c.Spec.Endpoint, APIKey: key, CABundle: c.Spec.CABundle}
	if err := r.join(ctx, c, st, group); err != nil {
		return nil, err
	}
	project, err := r.projects.acquire(c.Name, target, group)
	if err != nil {
		v := condition.Stuck(v1alpha1.ReasonConnectionNotReady, "The connection cannot be opened: %s.", err)
		return &v, nil
	}
	if st.link == nil {
		if err := r.resume(ctx, c, st); err != nil {
			return nil, err
		}
	}
	configure(c, st.brake)
	if st.link == nil || st.link.Project != project {
		known, err := r.recorded(ctx, c.Name)
		if err != nil {
			return nil, err
		}
		st.link, st.since = &access.Link{Project: project, Brake: st.brake, KeyDigest: keyDigest(&c.Spec, key)}, time.Time{}
		if known.tell() {
			st.link.Recognition = &access.Recognition{}
		}
		project.Subscribe("ConsoleConnection/"+c.Name, func(console.Change) { r.wake(c.Name)() })
		r.Links.Set(c.Name, st.link)
	}
	return nil, nil
}

// join has the connection draw from a quota group. Before the first call, the
// group's record holds what was sent under the former one, and the status names
// the group: whatever happens then, whoever goes on finds all of it.
func (r *Reconciler) join(ctx context.Context, c *v1alpha1.ConsoleConnection, st *state, group string) error {
	if st.recorded == "" && c.Status.Quota != nil {
		st.recorded = c.Status.Quota.Group
	}
	r.mu.Lock()
	st.group = group
	r.mu.Unlock()
	if err := r.projects.join(ctx, c.Name, group, st.recorded, configOf(&c.Spec.RateLimit)); err != nil {
		return err
	}
	if st.recorded == group {
		return nil
	}
	before := c.DeepCopy()
	c.Status.Quota = &v1alpha1.QuotaStatus{Group: group}
	if err := r.Client.Status().Patch(ctx, c, client.MergeFrom(before)); err != nil {
		return fmt.Errorf("record the quota's group: %w", err)
	}
	st.recorded, st.version = group, c.ResourceVersion
	return nil
}

func (r *Reconciler) wake(name string) func() {
	return func() { r.Queue.Add(types.NamespacedName{Name: name}, 0) }
}
