package connection

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/quota"
)

// A mortal is a process that crashes after some writes to Kubernetes.
type mortal struct {
	*Reconciler
	mu     sync.Mutex
	writes int // left; negative: any number
}

var errCrashed = errors.New("the process is gone")

// write is asked before each write.
func (m *mortal) write() error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.writes == 0 {
		return errCrashed
	}
	m.writes--
	return nil
}

// crash ends the process's access to Kubernetes.
func (m *mortal) crash() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.writes = 0
}

// mortal begins a process. watch is called with the key of each of its requests.
func (b *bench) mortal(t *testing.T, writes int, watch func(key string)) *mortal {
	m := &mortal{writes: writes}
	kube := interceptor.NewClient(b.Client.(client.WithWatch), interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, o ...client.CreateOption) error {
			if err := m.write(); err != nil {
				return err
			}
			return c.Create(ctx, obj, o...)
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, o ...client.UpdateOption) error {
			if err := m.write(); err != nil {
				return err
			}
			return c.Update(ctx, obj, o...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, p client.Patch, o ...client.PatchOption) error {
			if err := m.write(); err != nil {
				return err
			}
			return c.Patch(ctx, obj, p, o...)
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, obj client.Object, p client.Patch, o ...client.SubResourcePatchOption) error {
			if err := m.write(); err != nil {
				return err
			}
			return c.SubResource(sub).Patch(ctx, obj, p, o...)
		},
	})
	dial := func(target Target) (console.API, error) {
		return statsig.New(statsig.Config{Endpoint: target.Endpoint, APIKey: target.APIKey, Limiter: target.Limiter,
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				watch(target.APIKey)
				return b.transport.RoundTrip(r)
			})})
	}
	quotas := Quotas{Reader: kube, Writer: kube, Namespace: "operator", Durability: quota.Durability{Identity: "pod", Exclusive: true}}
	m.Reconciler = New(kube, kube, &access.Registry{}, b.recorder, "operator", dial, quotas)
	t.Cleanup(m.Close)
	return m
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// work reconciles for two seconds and makes n requests, as far as the process
// still can.
func (m *mortal) work(t *testing.T, n int) {
	t.Helper()
	for range 4 {
		_, _ = m.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "default"}})
		time.Sleep(500 * time.Millisecond)
	}
	link := m.Links.Get("default")
	if link == nil {
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	for range n {
		_, _ = link.Project.FetchUser(ctx, console.Caller{Lane: quota.Change}, "somebody@example.com")
	}
}

// useKey puts a key into the Secret.
func (b *bench) useKey(t *testing.T, key string) {
	t.Helper()
	b.sim.AddKey(key)
	b.sim.PutUser(consolesim.User{Email: "somebody@example.com", Role: "Member"})
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: "operator", Name: "key"}, Data: map[string][]byte{"apiKey": []byte(key)}}
	if err := b.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// TestHistorySurvivesRotations rotates the key twice, forth and back, or once,
// and crashes in between after any number of writes to Kubernetes: what was sent
// under any key counts under the last one. Before the first request of a key, the
// status names its group, and there is a record of it.
func TestHistorySurvivesRotations(t *testing.T) {
	const one, two, three = "console-key-one", "console-key-two", "console-key-three"
	for name, last := range map[string]string{"twice": three, "and back": one, "once": two} {
		for writes := -1; writes <= 8; writes++ {
			for _, restart := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, %d writes, restart %v", name, writes, restart), func(t *testing.T) {
					inBubble(t, func(t *testing.T, b *bench) {
						b.edit(t, func(c *v1alpha1.ConsoleConnection) {
							c.Spec.RateLimit.Windows = []v1alpha1.RateLimitWindow{{Requests: 1000, Per: metav1.Duration{Duration: 15 * time.Minute}}}
						})
						watch := func(key string) {
							c := b.get(t)
							group := groupOf(&c.Spec, key)
							if c.Status.Quota == nil || c.Status.Quota.Group != group {
								t.Errorf("a request is made under %s, and the status names %+v", group, c.Status.Quota)
							}
							if err := b.Client.Get(context.Background(), RecordName("operator", group), &corev1.ConfigMap{}); err != nil {
								t.Errorf("a request is made without a record: %v", err)
							}
						}
						b.useKey(t, one)
						crashes := 0
						m := b.mortal(t, -1, watch)
						m.work(t, 5)
						b.useKey(t, two)
						if restart {
							m.crash()
							crashes++
							m = b.mortal(t, writes, watch)
						} else {
							m.mu.Lock()
							m.writes = writes
							m.mu.Unlock()
						}
						m.work(t, 5)
						if writes >= 0 {
							m.crash()
							crashes++
							m = b.mortal(t, -1, watch)
						}
						b.useKey(t, last)
						m.work(t, 5)
						time.Sleep(quota.BlockLife)
						synctest.Wait()
						sent := b.sim.Counters().Total
						limiter := m.Links.Get("default").Project.Limiter()
						// What a crash leaves of a block counts, and nothing else.
						if used := limiter.Stats().Windows[0].Used; used < sent || used > sent+21*crashes {
							t.Errorf("%d count of %d requests after %d crashes", used, sent, crashes)
						}
					})
				})
			}
		}
	}
}

// TestJoinsAGroup: who joins the group of others, or comes to a group at the same
// time as others, brings along what was sent, and each request counts once.
func TestJoinsAGroup(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProjects(t, newClient(t, interceptor.Funcs{}), "pod")
		defer p.close()
		used := func(l *quota.Limiter, want int) {
			t.Helper()
			if got := l.Stats().Windows[0].Used; got != want {
				t.Errorf("%d requests count, want %d", got, want)
			}
		}
		send(t, p.limiter(t, "b", "shared", ""), 1)
		send(t, p.limiter(t, "a", "auto-a", ""), 10)
		shared := p.limiter(t, "a", "shared", "auto-a")
		used(shared, 11)
		send(t, shared, 1)

		// Two connections with one Secret, whose key is rotated.
		for _, c := range []string{"c", "d"} {
			send(t, p.limiter(t, c, "k1", ""), 5)
		}
		for _, c := range []string{"c", "d"} {
			used(p.limiter(t, c, "k2", "k1"), 10)
		}
		if l := p.limiter(t, "a", "auto-a", "shared"); l.Stats().Windows[0].Used != 12 {
			t.Errorf("%d requests count after the return from the group, want 12", l.Stats().Windows[0].Used)
		}
	})
}

// TestFormerRecordIsLost: where nothing is known of the requests under the former
// group, every window is full, and that is reported.
func TestFormerRecordIsLost(t *testing.T) {
	for _, data := range []map[string]string{nil, {recordKey: "{"}} {
		synctest.Test(t, func(t *testing.T) {
			c := newClient(t, interceptor.Funcs{})
			if data != nil {
				held := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "operator", Name: "quota-gone"}, Data: data}
				if err := c.Create(t.Context(), held); err != nil {
					t.Fatal(err)
				}
			}
			p := newProjects(t, c, "pod")
			defer p.close()
			var lost []string
			p.recordLost = func(group, reason string) { lost = append(lost, group+": "+reason) }
			if w := p.limiter(t, "c", "g", "gone").Stats().Windows[0]; w.Used != w.Limit || len(lost) != 1 {
				t.Errorf("%d of %d used, reported %q", w.Used, w.Limit, lost)
			}
		})
	}
}

// TestNothingIsSentForAFormerGroup: a reconciliation that began with the former
// key sends nothing any more once its history was handed over.
func TestNothingIsSentForAFormerGroup(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.reconcile(t)
		former := b.Links.Get("default").Project
		b.useKey(t, "console-rotated")
		b.reconcile(t)
		sent := b.sim.Counters().Total
		if _, err := former.FetchUser(t.Context(), console.Caller{Lane: quota.Change}, "somebody@example.com"); !errors.Is(err, quota.ErrClosed) {
			t.Errorf("a call under the former key: %v", err)
		}
		if n := b.sim.Counters().Total; n != sent {
			t.Errorf("%d requests were sent", n-sent)
		}
	})
}

// TestRecordThatIsThereFirst: whatever holds up a limiter's registration, such as
// a scrape of the metrics, its record does not get lost meanwhile.
func TestRecordThatIsThereFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, interceptor.Funcs{})
		first := newProjects(t, c, "pod")
		send(t, first.limiter(t, "c", "g", ""), 40)
		first.close()
		next := newProjects(t, c, "pod")
		defer next.close()
		next.quotas.Made = func(string, *quota.Limiter) { time.Sleep(time.Second) }
		if w := next.limiter(t, "c", "g", "g").Stats().Windows[0]; w.Used != 40 {
			t.Errorf("%d of the 40 requests made count", w.Used)
		}
	})
}
