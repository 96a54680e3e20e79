package team

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// TestDeletionAwaitsTheID: a team whose id the console does not tell, and whose
// spec has another name since, is looked for again until it can be deleted.
func TestDeletionAwaitsTheID(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		tell := func(yes bool) {
			b.behave(t, func(s *consolesim.Behavior) { s.CreateReturnsID, s.ListReturnsID = yes, yes })
		}
		tell(false)
		b.apply(t, object("compilers", nil))
		b.reconcile(t, "compilers")
		b.edit(t, "compilers", func(team *v1alpha1.Team) { team.Spec.Name = "translators" })
		if err := b.Client.Delete(t.Context(), b.get(t, "compilers")); err != nil {
			t.Fatal(err)
		}
		again := b.reconcile(t, "compilers").RequeueAfter
		b.wants(t, "compilers", v1alpha1.ReasonRejected)
		if again <= 0 || again > 10*time.Minute {
			t.Fatalf("it is looked at again after %v, want that within the drift interval", again)
		}
		tell(true)
		time.Sleep(again)
		b.list(t)
		b.reconcile(t, "compilers")
		if teams := b.sim.TeamsNamed("compilers"); len(teams) != 0 {
			t.Errorf("the console still has %+v", teams)
		}
	})
}

// TestNothingIsSaidOfMembersThatCannotBeRead: where neither the id is told nor
// listings have members, nobody knows whether they are as the spec says.
func TestNothingIsSaidOfMembersThatCannotBeRead(t *testing.T) {
	for lists, want := range map[bool]string{true: v1alpha1.ReasonSynced, false: v1alpha1.ReasonRejected} {
		inBubble(t, func(t *testing.T, b *bench) {
			b.behave(t, func(s *consolesim.Behavior) {
				s.CreateReturnsID, s.ListReturnsID, s.ListTeamsWithMembers = false, false, lists
			})
			b.apply(t, object("compilers", func(team *v1alpha1.Team) { team.Spec.Members = emails(ada) }))
			b.apply(t, object("linkers", nil))
			for _, name := range []string{"compilers", "linkers"} {
				b.reconcile(t, name)
			}
			b.wants(t, "compilers", want)
			b.wants(t, "linkers", v1alpha1.ReasonSynced)
		})
	}
}

// TestDeletionIsSentOnce: a finalizer that cannot be taken away at once does not
// have the team deleted again.
func TestDeletionIsSentOnce(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.apply(t, object("compilers", nil))
		b.reconcile(t, "compilers")
		team := b.get(t, "compilers")
		if err := b.Client.Delete(t.Context(), team); err != nil {
			t.Fatal(err)
		}
		working, refused := b.Client, 0
		b.Client = interceptor.NewClient(working.(client.WithWatch), interceptor.Funcs{
			Patch: func(context.Context, client.WithWatch, client.Object, client.Patch, ...client.PatchOption) error {
				refused++
				return apierrors.NewConflict(v1alpha1.GroupVersion.WithResource("teams").GroupResource(), team.Name, errors.New("it was changed"))
			},
		})
		for range 3 {
			if _, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: client.ObjectKeyFromObject(team)}); !apierrors.IsConflict(err) {
				t.Fatalf("%v, want the conflict", err)
			}
		}
		b.Client = working
		b.reconcile(t, "compilers")
		if refused != 3 {
			t.Fatalf("the finalizer was to be taken away %d times, want 3", refused)
		}
		if n := b.sim.Count(consolesim.DeleteTeam); n != 1 {
			t.Errorf("%d deletions, want 1", n)
		}
		left := &v1alpha1.TeamList{}
		if err := b.Client.List(t.Context(), left); err != nil || len(left.Items) != 0 {
			t.Errorf("%d Teams are left: %v", len(left.Items), err)
		}
	})
}

// A Team whose namespace the connection no longer admits is let go, and the
// team in the console stays. While it is not known whether it is admitted, it
// waits.
func TestDeletionWithoutAdmission(t *testing.T) {
	tests := map[string]struct {
		change func(t *testing.T, b *bench)
		want   string // "" when it is let go
	}{
		"not admitted": {func(t *testing.T, b *bench) { b.admit(t, "a", "no") }, ""},
		"the namespace is not known": {func(t *testing.T, b *bench) {
			if err := b.Client.Delete(t.Context(), &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a"}}); err != nil {
				t.Fatal(err)
			}
		}, v1alpha1.ReasonProgressing},
		"the selector means nothing": {func(t *testing.T, b *bench) {
			b.connection.Spec.AllowedNamespaces.Selector.MatchExpressions = []metav1.LabelSelectorRequirement{{Key: "console", Operator: "Ins"}}
			if err := b.Client.Update(t.Context(), b.connection); err != nil {
				t.Fatal(err)
			}
		}, v1alpha1.ReasonConnectionNotReady},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.selecting(t, "a")
				b.apply(t, object("a/team", nil))
				b.reconcile(t, "a/team")
				tt.change(t, b)
				if err := b.Client.Delete(t.Context(), b.get(t, "a/team")); err != nil {
					t.Fatal(err)
				}
				if tt.want == "" {
					b.gone(t, "a/team")
					if !b.emitted("ConsoleConnection \"default\" does not admit namespace \"a\"") {
						t.Error("no event says why the team stays")
					}
				} else {
					b.reconcile(t, "a/team")
					b.wants(t, "a/team", tt.want)
				}
				if n := len(b.sim.Teams()); n != 1 {
					t.Errorf("the console has %d teams, want the one left as it is", n)
				}
			})
		})
	}
}
