package connection

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-logr/logr/funcr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/events"
	"k8s.io/client-go/util/workqueue"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/quota"
)

// A bench is the reconciler over objects in memory and the simulated console.
type bench struct {
	*Reconciler
	sim      *consolesim.Server
	recorder *events.FakeRecorder
	patches  int
	// transport reaches the console.
	transport http.RoundTripper
	// begin is another process's reconciler.
	begin func() *Reconciler
}

const apiKey = "console-bench"

func inBubble(t *testing.T, test func(t *testing.T, b *bench)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		sim := consolesim.New(consolesim.Options{Keys: []string{apiKey}, Windows: []consolesim.Window{}})
		server := sim.InMemory()
		defer server.Close()
		b := &bench{sim: sim, recorder: events.NewFakeRecorder(100), transport: server.Transport}
		count := interceptor.Funcs{SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, patch client.Patch, options ...client.SubResourcePatchOption) error {
			b.patches++
			return c.SubResource(sub).Patch(ctx, obj, patch, options...)
		}}
		connection := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: "default", Generation: 1}}
		connection.Spec.Endpoint, connection.Spec.APIKeySecretRef.Name = server.URL, "key"
		connection.Spec.RateLimit.Windows = []v1alpha1.RateLimitWindow{{Requests: 100, Per: metav1.Duration{Duration: 10 * time.Second}}}
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "operator", Name: "key"}, Data: map[string][]byte{"apiKey": []byte(apiKey)}}
		dial := func(target Target) (console.API, error) {
			return statsig.New(statsig.Config{Endpoint: target.Endpoint, APIKey: target.APIKey, Limiter: target.Limiter, Transport: server.Transport})
		}
		kube := newClient(t, count, connection, secret)
		quotas := Quotas{Reader: kube, Writer: kube, Namespace: "operator", Durability: quota.Durability{Identity: "a", Exclusive: true}}
		b.begin = func() *Reconciler { return New(kube, kube, &access.Registry{}, b.recorder, "operator", dial, quotas) }
		b.Reconciler = b.begin()
		defer func() { b.Close() }()
		test(t, b)
	})
}

// reconcile does it ten times within two seconds.
func (b *bench) reconcile(t *testing.T) (result ctrl.Result) {
	t.Helper()
	for range 10 {
		var err error
		if result, err = b.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "default"}}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(200 * time.Millisecond)
	}
	return result
}

func (b *bench) get(t *testing.T) *v1alpha1.ConsoleConnection {
	t.Helper()
	c := &v1alpha1.ConsoleConnection{}
	if err := b.Client.Get(t.Context(), types.NamespacedName{Name: "default"}, c); err != nil {
		t.Fatal(err)
	}
	return c
}

func (b *bench) edit(t *testing.T, change func(*v1alpha1.ConsoleConnection)) {
	t.Helper()
	c := b.get(t)
	change(c)
	if err := b.Client.Update(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

func (b *bench) wants(t *testing.T, reason, message string) {
	t.Helper()
	for _, c := range b.get(t).Status.Conditions {
		if c.Type == v1alpha1.ReadyCondition && c.Reason == reason && strings.Contains(c.Message, message) && !strings.Contains(c.Message, apiKey) {
			return
		}
	}
	t.Errorf("not %s (%q): %+v", reason, message, b.get(t).Status.Conditions)
}

// How the quota stands is told soon while somebody waits for a turn, and seldom
// while it is merely drawn from.
func TestHowOftenTheQuotaIsTold(t *testing.T) {
	for _, tt := range []struct {
		name     string
		requests int32
		draw     func(p *console.Project, key string)
		least    int
		most     int
	}{
		{"drawn from", 100, func(p *console.Project, key string) {
			_, _ = p.FetchUser(context.Background(), console.Caller{Key: key, Lane: quota.Change}, "nobody@example.com")
		}, 2, 3},
		{"waited for", 1, func(p *console.Project, key string) {
			_, _ = p.Limiter().TryAcquire(quota.Request{Key: key, Lane: quota.Change, Notify: func() {}})
		}, 10, 13},
	} {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.edit(t, func(c *v1alpha1.ConsoleConnection) {
					c.Spec.RateLimit.Windows = []v1alpha1.RateLimitWindow{{Requests: tt.requests, Per: metav1.Duration{Duration: time.Hour}}}
				})
				b.reconcile(t)
				before := b.patches
				for i := range 60 {
					tt.draw(b.Links.Get("default").Project, fmt.Sprint(i))
					if _, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "default"}}); err != nil {
						t.Fatal(err)
					}
					time.Sleep(time.Second)
				}
				if n := b.patches - before; n < tt.least || n > tt.most {
					t.Errorf("%d patches within a minute, want %d to %d", n, tt.least, tt.most)
				}
			})
		})
	}
}

func TestOneListingOfEach(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.sim.Seed(3, 2, 1)
		// An object is quicker than the connection to ask for a listing.
		b.Links.OnChange(func(_ string, link *access.Link) {
			_ = link.Project.ReadUsers(console.Caller{Key: "object", Lane: quota.Drift}, time.Time{})
			time.Sleep(time.Millisecond)
		})
		b.reconcile(t)
		b.wants(t, v1alpha1.ReasonSynced, "answers")
		if n := b.sim.Counters().Total; n != 2 {
			t.Errorf("%d requests at the start, want one for each listing", n)
		}
		status := b.get(t).Status
		if *status.Users != 3 || *status.Admins != 2 || *status.Teams != 2 || status.Quota.Summary == "" {
			t.Errorf("status %+v", status)
		}
		time.Sleep(11 * time.Minute)
		b.reconcile(t)
		if n := b.sim.Counters().Total; n != 4 {
			t.Errorf("%d requests after an interval, want 4", n)
		}
		time.Sleep(time.Minute)
		before := b.patches
		b.reconcile(t)
		b.reconcile(t)
		if n := b.patches - before; n > 1 {
			t.Errorf("%d patches of a status in which nothing but the quota changed", n)
		}
	})
}

func TestSecrets(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.reconcile(t)
		for _, tt := range []struct {
			data            map[string][]byte
			reason, message string
		}{
			{map[string][]byte{"other": []byte("x")}, v1alpha1.ReasonConnectionNotReady, `has nothing under "apiKey"`},
			{map[string][]byte{"apiKey": []byte("a b")}, v1alpha1.ReasonConnectionNotReady, "cannot be opened"},
			{map[string][]byte{"apiKey": []byte("wrong")}, v1alpha1.ReasonUnauthorized, "valid Console API key"},
			{map[string][]byte{"apiKey": []byte(apiKey)}, v1alpha1.ReasonSynced, ""},
		} {
			secret := &corev1.Secret{}
			if err := b.Client.Get(t.Context(), types.NamespacedName{Namespace: "operator", Name: "key"}, secret); err != nil {
				t.Fatal(err)
			}
			secret.Data = tt.data
			if err := b.Client.Update(t.Context(), secret); err != nil {
				t.Fatal(err)
			}
			b.reconcile(t)
			b.wants(t, tt.reason, tt.message)
			if linked := b.Links.Get("default") != nil; linked == (tt.reason == v1alpha1.ReasonConnectionNotReady) {
				t.Errorf("%s, and linked: %v", tt.reason, linked)
			}
		}
		b.edit(t, func(c *v1alpha1.ConsoleConnection) { c.Spec.APIKeySecretRef.Name = "missing" })
		b.reconcile(t)
		b.wants(t, v1alpha1.ReasonConnectionNotReady, `no Secret "missing" in namespace "operator"`)
	})
}

// A suspended connection and a new process do not forget what was deleted
// through it, nor what was held.
func TestBrakeOutlivesTheLink(t *testing.T) {
	interruptions := map[string]func(*testing.T, *bench){
		"suspended": func(t *testing.T, b *bench) {
			for _, suspend := range []bool{true, false} {
				b.edit(t, func(c *v1alpha1.ConsoleConnection) { c.Spec.Suspend = suspend })
				b.reconcile(t)
			}
		},
		"restarted": func(t *testing.T, b *bench) {
			b.Close()
			old := b.Reconciler
			b.Reconciler = New(old.Client, old.Live, &access.Registry{}, old.Events, old.Namespace, old.projects.dial, old.projects.quotas)
			t.Cleanup(b.Close)
			b.reconcile(t)
		},
	}
	for name, interrupt := range interruptions {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.edit(t, func(c *v1alpha1.ConsoleConnection) { c.Spec.DeletionBrake.MaxDeletes = new(int32(2)) })
				b.reconcile(t)
				brake := b.Links.Get("default").Brake
				for i := range 2 {
					d := access.Deletion{Key: fmt.Sprint(i), Since: time.Now()}
					if !brake.Pass(d) {
						t.Fatalf("deletion %d is held", i)
					}
					if err := brake.Sending(t.Context(), d.Key); err != nil {
						t.Fatal(err)
					}
					brake.Drop(d.Key)
				}
				interrupt(t, b)
				brake = b.Links.Get("default").Brake
				if brake.Pass(access.Deletion{Key: "another", Since: time.Now()}) {
					t.Error("the deletions before no longer count")
				}
				brake.Drop("another")
				held := &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: "held", Finalizers: []string{v1alpha1.Finalizer}}}
				held.Status.ID = "id"
				held.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Reason: v1alpha1.ReasonDeletionHeld}}
				if err := b.Client.Create(t.Context(), held); err != nil {
					t.Fatal(err)
				}
				if err := b.Client.Delete(t.Context(), held); err != nil {
					t.Fatal(err)
				}
				interrupt(t, b)
				time.Sleep(time.Hour)
				if held, _ := b.Links.Get("default").Brake.Standing(); held != 1 {
					t.Errorf("%d are held, want 1", held)
				}
			})
		})
	}
}

// A failure to read the listings is logged when it begins, changes and ends, with
// its cause, and not at every attempt.
func TestFailuresAreLoggedOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		var lines []string
		logger := funcr.New(func(_, args string) { lines = append(lines, args) }, funcr.Options{})
		ctx := log.IntoContext(t.Context(), logger)
		during := func(d time.Duration) string {
			lines = nil
			for range 20 {
				if _, err := b.Reconcile(ctx, ctrl.Request{NamespacedName: types.NamespacedName{Name: "default"}}); err != nil {
					t.Fatal(err)
				}
				time.Sleep(d / 20)
			}
			return strings.Join(lines, "\n")
		}
		for _, step := range []struct {
			name string
			do   func()
			want []string
		}{
			{"good", func() {}, nil},
			{"broken", func() {
				b.sim.Inject(consolesim.Fault{Effect: consolesim.EffectError, Status: 502, Body: "<html>Bad gateway"})
			}, []string{"Unavailable", "502"}},
			{"still broken", func() {}, nil},
			{"refused", func() {
				b.sim.ClearFaults()
				b.sim.RevokeKey(apiKey)
			}, []string{"Unauthorized", "401"}},
			{"well again", func() { b.sim.AddKey(apiKey) }, []string{"read again"}},
		} {
			step.do()
			said := during(20 * time.Minute)
			if n := len(lines); n != min(len(step.want), 1) {
				t.Errorf("%s: %d lines in the log:\n%s", step.name, n, said)
			}
			for _, want := range step.want {
				if !strings.Contains(said, want) || strings.Contains(said, apiKey) {
					t.Errorf("%s: the log says %q, want %q and no key", step.name, said, want)
				}
			}
		}
	})
}

// TestRotatedWhileSuspended: a process that finds a connection with another key
// than it had when it was suspended knows whose requests still count.
func TestRotatedWhileSuspended(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.reconcile(t)
		group := b.get(t).Status.Quota.Group
		b.edit(t, func(c *v1alpha1.ConsoleConnection) { c.Spec.Suspend = true })
		b.reconcile(t)
		if told := b.get(t).Status.Quota; !reflect.DeepEqual(told, &v1alpha1.QuotaStatus{Group: group}) {
			t.Fatalf("a suspended connection tells %+v of the quota, want the group %s alone", told, group)
		}
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "operator", Name: "key"}, Data: map[string][]byte{"apiKey": []byte("console-rotated")}}
		if err := b.Client.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		b.edit(t, func(c *v1alpha1.ConsoleConnection) { c.Spec.Suspend = false })
		b.sim.AddKey("console-rotated")
		defer b.Close()
		b.Reconciler = b.begin()
		b.reconcile(t)
		told := b.get(t).Status.Quota
		if told.Group == group || told.Windows[0].Used != 4 {
			t.Errorf("%+v, want another group than %q with the 4 requests of both", told, group)
		}
	})
}

func TestApprovals(t *testing.T) {
	for said, want := range map[string]int{"2": 2, "all": 3, "0": 0, "-1": 0, "-2": 0, "some": 0, "": 0} {
		t.Run("approve "+said, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.edit(t, func(c *v1alpha1.ConsoleConnection) { c.Spec.DeletionBrake.MaxDeletes = new(int32(0)) })
				b.reconcile(t)
				brake := b.Links.Get("default").Brake
				for i := range 3 {
					brake.Pass(access.Deletion{Key: fmt.Sprint(i), Since: time.Now()})
				}
				b.edit(t, func(c *v1alpha1.ConsoleConnection) {
					c.Annotations = map[string]string{v1alpha1.ApproveDeletesAnnotation: said}
				})
				b.reconcile(t)
				if _, approved := brake.Standing(); approved != want {
					t.Errorf("%d approved, want %d", approved, want)
				}
				if _, left := b.get(t).Annotations[v1alpha1.ApproveDeletesAnnotation]; left {
					t.Error("the annotation is left, and would count again")
				}
				if len(b.recorder.Events) != 1 {
					t.Errorf("%d events, want 1", len(b.recorder.Events))
				}
			})
		})
	}
}

func TestPause(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.sim.Seed(1, 50, 0)
		b.reconcile(t)
		c, link := b.get(t), b.Links.Get("default")
		project := link.Project
		if got := b.pause(c, link); got != 10*time.Minute {
			t.Errorf("with nobody waiting: %v", got)
		}
		project.Await("somebody", []string{"new@example.com"}, func() {})
		if got := b.pause(c, link); got != awaitPause {
			t.Errorf("with somebody waiting: %v", got)
		}
		if err := b.sim.SetBehavior(func(s *consolesim.Behavior) { s.MaxPageSize = 10 }); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		b.reconcile(t)
		if got, pages := b.pause(c, link), time.Duration(1+5); got != pages*awaitPausePerPage {
			t.Errorf("with listings of %d pages: %v", pages, got)
		}
		c.Spec.Drift.Interval.Duration = 20 * time.Second
		if got := b.pause(c, link); got != 20*time.Second {
			t.Errorf("never longer than the interval: %v", got)
		}
	})
}

// What refusals mean is told at once: the pause that the console asked for is a
// fact, what they suggest of a window is a guess, and both go when they are over.
func TestRefusalsAreShown(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.reconcile(t)
		b.wants(t, v1alpha1.ReasonSynced, "The console answers; its users and teams are known.")
		queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		defer queue.ShutDown()
		if err := b.Queue.Source().Start(t.Context(), queue); err != nil {
			t.Fatal(err)
		}
		project := b.Links.Get("default").Project
		b.sim.PutUser(consolesim.User{Email: "ada@example.com", Role: "Member"})
		fetch := func() {
			for range 2 { // the first may wait for the record
				_, err := project.FetchUser(t.Context(), console.Caller{Key: "x", Lane: quota.Change, Notify: func() {}}, "ada@example.com")
				if wait, ok := errors.AsType[*quota.WaitError](err); !ok || wait.Reason != quota.ReasonRecord {
					return
				}
				synctest.Wait()
			}
		}
		// told reconciles as often as the connection is woken.
		told := func() *v1alpha1.QuotaStatus {
			t.Helper()
			synctest.Wait()
			if queue.Len() == 0 {
				t.Error("nobody looks at the connection")
			}
			for queue.Len() > 0 {
				request, _ := queue.Get()
				if _, err := b.Reconcile(t.Context(), request); err != nil {
					t.Fatal(err)
				}
				queue.Done(request)
			}
			return b.get(t).Status.Quota
		}
		b.sim.Inject(consolesim.Fault{Endpoint: consolesim.GetUser, Effect: consolesim.EffectTooMany, RetryAfter: "20", Times: 1})
		until := time.Now().Add(20 * time.Second)
		fetch()
		q := told()
		if q.ClosedUntil == nil || q.ClosedUntil.Sub(until).Abs() > time.Second || q.Windows[0].Guess == nil || !strings.Contains(q.Summary, "(guess 1)") {
			t.Errorf("%+v, want closed until %v, and a guess", q, until)
		}
		b.wants(t, v1alpha1.ReasonSynced, "It has asked to slow down (429), so no call is made before status.quota.closedUntil.")
		fetch()
		time.Sleep(time.Until(until) + 5*time.Second)
		fetch()
		b.reconcile(t)
		if q = b.get(t).Status.Quota; q.ClosedUntil != nil || q.Windows[0].Guess == nil {
			t.Errorf("%+v, want only the guess left", q)
		}
		b.wants(t, v1alpha1.ReasonSynced, "calls beyond the guess in status.quota.windows are tried one at a time")
		for queue.Len() > 0 {
			request, _ := queue.Get()
			queue.Done(request)
		}
		for range 12 {
			fetch()
		}
		if q = told(); q.Windows[0].Guess != nil || strings.Contains(q.Summary, "guess") {
			t.Errorf("%+v, want no guess", q)
		}
		b.wants(t, v1alpha1.ReasonSynced, "The console answers; its users and teams are known.")
	})
}
