package team

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

// bare is a reconciliation of a Team that reaches no Kubernetes.
func (b *bench) bare(change func(*v1alpha1.Team)) *team {
	obj := object("compilers", change)
	return &team{
		Scope: &access.Scope{Desk: &b.Desk, Obj: obj, Memo: &access.Memo{}, Connection: b.connection, Link: b.Links.Get("default")},
		obj:   obj, plan: &plan{heldBack: map[string]heldAddress{}},
	}
}

func TestSpecified(t *testing.T) {
	if got := Specified(object("x", nil)); got.ManagesMembers() || got.Name != "x" || fmt.Sprint(got) != fmt.Sprint(console.DesiredTeam{Name: "x"}) {
		t.Errorf("fields that are not set are managed: %+v", got)
	}
	all := object("x", func(team *v1alpha1.Team) { manageAll(&team.Spec); team.Spec.Name = "Y" })
	if got := Specified(all); !got.ManagesAll() || got.Name != "Y" {
		t.Errorf("fields that are empty are not managed: %+v", got)
	}
}

func TestOrphans(t *testing.T) {
	intent := &v1alpha1.CreateIntent{Name: "x"}
	tests := []struct {
		name   string
		change func(*v1alpha1.Team)
		want   bool
	}{
		{"made, default", func(t *v1alpha1.Team) { t.Status.ID = "1" }, false},
		{"made, Orphan", func(t *v1alpha1.Team) { t.Status.ID, t.Spec.DeletionPolicy = "1", v1alpha1.TeamOrphan }, true},
		{"adopted, default", func(t *v1alpha1.Team) { t.Status.ID, t.Status.Adopted = "1", true }, true},
		{"adopted, Delete", func(t *v1alpha1.Team) {
			t.Status.ID, t.Status.Adopted, t.Spec.DeletionPolicy = "1", true, v1alpha1.TeamDelete
		}, false},
		{"never made", func(t *v1alpha1.Team) { t.Spec.DeletionPolicy = v1alpha1.TeamDelete }, true},
		{"perhaps made", func(t *v1alpha1.Team) { t.Status.CreateIntent = intent }, false},
		{"perhaps made, Orphan", func(t *v1alpha1.Team) { t.Status.CreateIntent, t.Spec.DeletionPolicy = intent, v1alpha1.TeamOrphan }, true},
		{"observed", func(t *v1alpha1.Team) { t.Status.ID, t.Spec.Mode = "1", v1alpha1.ModeObserve }, true},
		{"suspended", func(t *v1alpha1.Team) { t.Status.ID, t.Spec.Suspend = "1", true }, false},
		{"forced", func(t *v1alpha1.Team) {
			t.Status.ID, t.Annotations = "1", map[string]string{v1alpha1.ForceOrphanAnnotation: "true"}
		}, true},
		{"not quite forced", func(t *v1alpha1.Team) {
			t.Status.ID, t.Annotations = "1", map[string]string{v1alpha1.ForceOrphanAnnotation: "yes"}
		}, false},
	}
	for _, tt := range tests {
		if got := access.Orphans(object("x", tt.change)); got != tt.want {
			t.Errorf("%s: orphans %v, want %v", tt.name, got, tt.want)
		}
	}
}

// Nobody whom the team has is ever left out, and nobody for the lack of a
// complete listing.
func TestMissing(t *testing.T) {
	const stranger, gone = "stranger@example.com", "gone@example.com"
	spec := func(team *v1alpha1.Team) {
		team.Spec.Members, team.Spec.Admins = emails(ada, stranger), emails(grace, "Gone@example.com")
	}
	inBubble(t, func(t *testing.T, b *bench) {
		s := b.bare(spec)
		check := func(when string, have *console.Team, want ...string) {
			t.Helper()
			if got, _ := s.unfit(Specified(s.obj), have); !slices.Equal(got, want) {
				t.Errorf("%s: %v is missing, want %v", when, got, want)
			}
		}
		check("before any listing", nil)
		b.list(t)
		check("after a listing", nil, gone, stranger)
		check("who is in the team", &console.Team{MembersKnown: true, Admins: []string{"GONE@example.com"}}, stranger)
		check("who was listed as if in the team", &console.Team{Members: []string{gone}}, gone, stranger)
		b.behave(t, func(sw *consolesim.Behavior) { sw.MaxPageSize, sw.MoveBetweenPages = 1, -1 })
		b.list(t)
		check("after an incomplete listing", nil)
		for b.project.User(gone).Presence != console.Absent {
			if _, err := b.project.FetchUser(t.Context(), console.Caller{Key: "x"}, gone); err != nil && !errors.Is(err, console.ErrReading) {
				t.Fatal(err)
			}
			time.Sleep(time.Second)
		}
		check("asked for by name", nil, gone)
		want, err := s.desired(nil)
		if err != nil || !slices.Equal(want.Members, []string{ada, stranger}) || !slices.Equal(want.Admins, []string{grace}) {
			t.Errorf("desired %+v, %v", want, err)
		}
		if len(s.obj.Spec.Admins) != 2 {
			t.Error("the spec itself was changed")
		}
	})
}
