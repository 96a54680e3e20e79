package access

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/workqueue"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/event"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

func aged(namespace, name string, age int) *v1alpha1.Team {
	return &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(namespace + "/" + name),
		CreationTimestamp: metav1.NewTime(time.Unix(int64(1000-age), 0))}, Spec: v1alpha1.TeamSpec{Name: "compilers"}}
}

// claiming is a reconciliation of obj while the cache has the contenders.
func claiming(t *testing.T, obj *v1alpha1.Team, contenders []*v1alpha1.Team) *Scope {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{v1alpha1.AddToScheme, corev1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	other := aged("a", "other", 500)
	other.Spec.Name = "another name"
	builder := fake.NewClientBuilder().WithScheme(scheme).WithObjects(other).WithIndex(&v1alpha1.Team{}, ClaimIndex, Indices[ClaimIndex])
	for _, contender := range contenders {
		builder = builder.WithObjects(contender.DeepCopy())
	}
	for namespace, label := range map[string]string{"a": "yes", "b": "yes", "banned": "no"} {
		builder = builder.WithObjects(&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{"console": label}}})
	}
	connection := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: obj.ConnectionName()}}
	connection.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
		From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"console": "yes"}},
	}
	return &Scope{Desk: &Desk{Client: builder.Build()}, Obj: obj, Connection: connection}
}

// has makes a Team one that already has its team in the console.
func has(team *v1alpha1.Team, reason string) *v1alpha1.Team {
	team.Status.ID = team.Name
	if reason != "" {
		team.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Reason: reason}}
	}
	return team
}

func hasID(obj v1alpha1.AccessObject) (bool, error) { return obj.(*v1alpha1.Team).Status.ID != "", nil }

func TestOwner(t *testing.T) {
	old, young, twin, banned := aged("a", "old", 9), aged("b", "young", 1), aged("b", "twin", 1), aged("banned", "oldest", 99)
	unknown := aged("unknown", "eldest", 999)
	holder, elder := has(aged("b", "holder", 1), v1alpha1.ReasonDriftDetected), has(aged("a", "elder", 50), "")
	evicted := has(aged("a", "evicted", 60), v1alpha1.ReasonNamespaceNotAllowed)
	type teams = []*v1alpha1.Team
	tests := []struct {
		name       string
		contenders teams
		obj        *v1alpha1.Team
		want       string
	}{
		{"alone", teams{young}, young, ""},
		{"not yet in the cache", nil, young, ""},
		{"the younger", teams{old, young}, young, "old"},
		{"the older", teams{young, old}, old, ""},
		{"the same second, by name", teams{twin, young}, young, "twin"},
		{"the same second, first by name", teams{twin, young}, twin, ""},
		{"the oldest is not admitted", teams{banned, young, old}, young, "old"},
		{"only one who is not admitted", teams{banned, old}, old, ""},
		{"the namespace of the oldest is not known", teams{unknown, young, old}, young, "old"},
		{"the younger has it", teams{old, holder}, old, "holder"},
		{"the younger, who has it", teams{old, holder}, holder, ""},
		{"both have it", teams{elder, holder}, holder, "elder"},
		{"who had to give it up", teams{evicted, holder}, evicted, "holder"},
		{"who had to give it up, and nobody took it", teams{evicted, old}, old, "evicted"},
	}
	for _, tt := range tests {
		owner, _, err := claiming(t, tt.obj, tt.contenders).Owner(t.Context(), &v1alpha1.TeamList{}, hasID)
		got := ""
		if owner != nil {
			got = owner.GetName()
		}
		if err != nil || got != tt.want {
			t.Errorf("%s: %q, %v; want %q", tt.name, got, err, tt.want)
		}
	}
	down := errors.New("down")
	failing := claiming(t, young, teams{old})
	failing.Client = interceptor.NewClient(failing.Client.(client.WithWatch), interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return down
		},
	})
	if _, _, err := failing.Owner(t.Context(), &v1alpha1.TeamList{}, hasID); !errors.Is(err, down) {
		t.Errorf("an owner although nobody knows who is admitted: %v", err)
	}
}

// Objects that claim the same are looked at when an object comes, changes what it
// claims or stands for, begins to be deleted, or is gone.
func TestContenders(t *testing.T) {
	plain := aged("a", "plain", 1)
	plain.Finalizers = []string{v1alpha1.Finalizer}
	renamed, creating, settled := plain.DeepCopy(), plain.DeepCopy(), plain.DeepCopy()
	renamed.Spec.Name, creating.Spec.Name, settled.Spec.Name = "linkers", "linkers", "linkers"
	creating.Status.CreateIntent = &v1alpha1.CreateIntent{Name: "compilers "}
	settled.Status.ID = "team-1"
	renamed.Generation++
	creating.Generation, settled.Generation = renamed.Generation, renamed.Generation
	deleted, told := plain.DeepCopy(), plain.DeepCopy()
	deleted.DeletionTimestamp = &metav1.Time{Time: time.Unix(1, 0)}
	letGo := deleted.DeepCopy() // and so it is last seen
	letGo.Finalizers = nil
	told.Status.LastSyncTime = &metav1.Time{Time: time.Unix(1, 0)}
	tests := []struct {
		name     string
		was, is  *v1alpha1.Team
		want     []string
		wantGone []string
	}{
		{"nothing changed", plain, plain, nil, []string{"compilers"}},
		{"nothing that concerns others", plain, told, nil, []string{"compilers"}},
		{"it is to be deleted", plain, deleted, []string{"compilers"}, []string{"compilers"}},
		{"it is let go", deleted, letGo, []string{"compilers"}, []string{"compilers"}},
		{"renamed", plain, renamed, []string{"compilers", "linkers"}, []string{"linkers"}},
		{"it is known what came of it", creating, settled, []string{"compilers", "linkers"}, []string{"linkers"}},
		{"still unknown", creating, creating, nil, []string{"compilers", "linkers"}},
	}
	for _, tt := range tests {
		var asked []string
		h := Contenders(func(_ context.Context, claim string, _ v1alpha1.AccessObject) []types.NamespacedName {
			asked = append(asked, claim)
			return []types.NamespacedName{{Namespace: "b", Name: "waits"}}
		})
		q := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[reconcile.Request]())
		h.Update(t.Context(), event.UpdateEvent{ObjectOld: tt.was, ObjectNew: tt.is}, q)
		if !slices.Equal(asked, tt.want) || q.Len() != min(len(tt.want), 1) {
			t.Errorf("%s: those who claim %q are looked at, %d in all; want %q", tt.name, asked, q.Len(), tt.want)
		}
		asked = nil
		h.Create(t.Context(), event.CreateEvent{Object: tt.is, IsInInitialList: true}, q)
		if len(asked) != 0 {
			t.Errorf("%s: those who claim %q are looked at when the process begins", tt.name, asked)
		}
		h.Create(t.Context(), event.CreateEvent{Object: tt.is}, q)
		if !slices.Equal(asked, tt.wantGone) {
			t.Errorf("%s, as it comes: those who claim %q are looked at, want %q", tt.name, asked, tt.wantGone)
		}
		asked = nil
		h.Delete(t.Context(), event.DeleteEvent{Object: tt.is}, q)
		if !slices.Equal(asked, tt.wantGone) {
			t.Errorf("%s, then gone: those who claim %q are looked at, want %q", tt.name, asked, tt.wantGone)
		}
		q.ShutDown()
	}
}

func TestMemory(t *testing.T) {
	var m Memory
	name := types.NamespacedName{Namespace: "n", Name: "x"}
	first := m.Of(name, "1")
	first.Attempts = 3
	if m.Of(name, "1") != first {
		t.Error("an object has two memos")
	}
	if second := m.Of(name, "2"); second == first || second.Attempts != 0 {
		t.Error("another object of the name has the old one's memo")
	}
	m.Forget(name)
	if m.Of(name, "2").Attempts != 0 {
		t.Error("a forgotten memo is remembered")
	}
}

func TestStale(t *testing.T) {
	tests := []struct {
		wrote, read string
		want        bool
	}{{"", "1", false}, {"9", "10", false}, {"10", "9", true}, {"10", "10", false}, {"99", "100", false}, {"100", "99", true}, {"x", "1", false}}
	for _, tt := range tests {
		if got := (&Memo{version: tt.wrote}).stale(tt.read); got != tt.want {
			t.Errorf("read %s after writing %s: stale %v, want %v", tt.read, tt.wrote, got, tt.want)
		}
	}
}

func TestRefusals(t *testing.T) {
	m := &Memo{}
	if m.Refused("update") != nil {
		t.Error("refused before anything")
	}
	m.Refuse("update", condition.Verdict{Reason: "R", RetryAfter: time.Hour})
	m.Refuse("past", condition.Verdict{RetryAfter: -time.Second})
	if v := m.Refused("update"); v == nil || v.Reason != "R" || v.RetryAfter <= 0 || v.RetryAfter > time.Hour {
		t.Errorf("refused: %+v", v)
	}
	if m.Refused("create") != nil || m.Refused("past") != nil {
		t.Error("another write, or one whose pause is over, is refused")
	}
	if m.Reset(); m.Refused("update") != nil {
		t.Error("a refusal outlives its episode")
	}
}
