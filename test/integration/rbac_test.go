package integration

import (
	"cmp"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/metricsauth"
	"github.com/console-access/console-access-operator/test/harness"
)

// unused are grants that nothing in [TestRolesAreMinimal] takes, and why the
// manager has them all the same.
func unused() map[grant]string {
	const listed = "where the API server does not stream lists, the cache lists before it watches"
	out := map[grant]string{
		{"list", "", "namespaces", true}: listed,
		{"list", "", "secrets", false}:   listed,
		{"patch", "", "events", false}:   "many changes of the leader within a short time are told as one event, which is patched",
	}
	for _, kind := range []string{"consoleconnections", "teams", "userroles"} {
		out[grant{"list", v1alpha1.GroupVersion.Group, kind, true}] = listed
	}
	return out
}

// A recorder notes what every request of an operator takes.
type recorder struct {
	mu    sync.Mutex
	needs map[need]bool
}

func (r *recorder) see(req *http.Request) error {
	if n, ok := needOf(req); ok {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.needs[n] = true
	}
	return nil
}

// seen are all needs, in order.
func (r *recorder) seen() []need {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.SortedFunc(maps.Keys(r.needs), func(a, b need) int { return cmp.Compare(a.String(), b.String()) })
}

// TestRolesAreMinimal: in the whole life of every kind the manager, with leader
// election and guarded metrics, asks for nothing that config/rbac does not
// grant, and config/rbac grants nothing that it never asks for.
func TestRolesAreMinimal(t *testing.T) {
	requests := &recorder{needs: map[need]bool{}}
	namespace := live(t, requests)
	needs, granted := requests.seen(), grants(t)
	used, unused := map[grant]bool{}, unused()
	for _, n := range needs {
		at := func(everywhere bool) int {
			return slices.IndexFunc(granted, func(g grant) bool { return g.everywhere == everywhere && g.allows(n, namespace) })
		}
		wide, narrow := at(true), at(false)
		switch {
		case wide < 0 && narrow < 0:
			t.Errorf("the manager needs to %v, which nothing in config/rbac grants", n)
		case wide < 0:
			used[granted[narrow]] = true
		case n.namespace != namespace:
			// Only what lies outside its own namespace takes a grant everywhere.
			used[granted[wide]] = true
		}
	}
	for _, g := range granted {
		why, explained := unused[g]
		switch {
		case !used[g] && !explained:
			t.Errorf("config/rbac lets the manager %v, which it never does: remove it", g)
		case used[g] && explained:
			t.Errorf("%v is used and yet said to be unused: %s", g, why)
		}
	}
	for g, why := range unused {
		if !slices.Contains(granted, g) {
			t.Errorf("%v is not granted and yet explained: %s", g, why)
		}
	}
	if t.Failed() {
		t.Logf("in namespace %s the manager asked to %v", namespace, needs)
	}
}

// live has an operator do everything that it ever does to Kubernetes, stops
// it, and returns its namespace.
func live(t *testing.T, requests *recorder) string {
	var filter metricsserver.Filter
	e := harness.Own(t, harness.Options{
		Kubernetes: requests.see,
		Manager: func(namespace string, o *ctrl.Options) {
			lease, renew, retry := 2*time.Minute, time.Minute, 200*time.Millisecond
			o.LeaderElection, o.LeaderElectionID, o.LeaderElectionNamespace = true, "test", namespace
			o.LeaderElectionReleaseOnCancel = true
			o.LeaseDuration, o.RenewDeadline, o.RetryPeriod = &lease, &renew, &retry
			o.Metrics.BindAddress = "127.0.0.1:0"
			o.Metrics.FilterProvider = func(c *rest.Config, client *http.Client) (_ metricsserver.Filter, err error) {
				filter, err = metricsauth.FilterProvider(c, client)
				return filter, err
			}
		},
		Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
			selector := &metav1.LabelSelector{MatchLabels: map[string]string{"console": "yes"}}
			c.AllowedNamespaces = v1alpha1.AllowedNamespaces{From: v1alpha1.NamespacesFromSelector, Selector: selector}
			c.DeletionBrake.MaxDeletes = ptr(int32(0))
		},
	})
	ask(t, e, filter)
	// What the console does not keep is written twice: a series of events.
	e.Sim.Inject(consolesim.Fault{
		Endpoint: consolesim.UpdateUser, Times: 1, Effect: consolesim.EffectError, Status: http.StatusOK, ContentType: "application/json",
		Body: `{"data":{"email":"edsger@example.com","role":"Read Only"}}`,
	})
	team := e.Team("growth", v1alpha1.TeamSpec{Members: emails(alan)})
	role := e.UserRole(edsger, "Member", func(s *v1alpha1.UserRoleSpec) { s.DeletionPolicy = v1alpha1.UserRoleRestore })
	invited := e.UserRole("zoe@example.com", "Member", func(s *v1alpha1.UserRoleSpec) { s.WhenMissing = v1alpha1.WhenMissingInvite })
	e.Create(team, role, invited)
	e.WaitReason(team, v1alpha1.ReasonNamespaceNotAllowed)
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.Namespace}}
	harness.Update(e, ns, func(ns *corev1.Namespace) { ns.Labels["console"] = "yes" })
	e.WaitReady(team, role)
	e.WaitReason(invited, v1alpha1.ReasonInvited)
	harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.Description = ptr("Edited") })
	e.WaitReady(team)
	e.SetKey(e.Namespace, e.Key+" ")
	e.Operator.Stop()
	e.Operator.Start(t)

	e.Delete(e.Connection, team, role, invited)
	e.WaitGone(role, invited)
	e.WaitReason(team, v1alpha1.ReasonDeletionHeld)
	e.WaitReason(e.Connection, v1alpha1.ReasonInUse)
	e.Annotate(e.Connection, v1alpha1.ApproveDeletesAnnotation, "all")
	e.WaitGone(team, e.Connection)
	e.Operator.Stop()
	return e.Operator.Namespace
}

// ask has a stranger and somebody known ask for the metrics.
func ask(t *testing.T, e *harness.Env, filter metricsserver.Filter) {
	t.Helper()
	served, err := filter(logr.Discard(), http.NotFoundHandler())
	if err != nil {
		t.Fatal(err)
	}
	for token, known := range map[string]bool{"nobody's": false, e.Token(): true} {
		request, answer := httptest.NewRequest(http.MethodGet, "/metrics", nil), httptest.NewRecorder()
		request.Header.Set("Authorization", "Bearer "+token)
		if served.ServeHTTP(answer, request); (answer.Code != http.StatusUnauthorized) != known {
			t.Errorf("the metrics answer %d to somebody known: %v", answer.Code, known)
		}
	}
}
