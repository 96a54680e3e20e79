package integration

import (
	"flag"
	"fmt"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestDeletionBrake: of a mass deletion a few pass, none trickles however long
// the rest are held, and a person releases as many as wanted.
func TestDeletionBrake(t *testing.T) {
	const teams, limit = 9, 3
	e := harness.Own(t, harness.Options{Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
		c.DeletionBrake = v1alpha1.DeletionBrake{MaxDeletes: ptr(int32(limit)), Per: metav1.Duration{Duration: time.Minute}}
	}})
	var all []*v1alpha1.Team
	for i := range teams {
		all = append(all, e.Team(fmt.Sprintf("team-%d", i), v1alpha1.TeamSpec{}))
		e.Create(all[i])
	}
	for _, team := range all {
		e.WaitReady(team)
	}
	for _, team := range all {
		e.Delete(team)
	}
	held := func() (n int) {
		for _, team := range all {
			if e.Refresh(team) && harness.Ready(team).Reason == v1alpha1.ReasonDeletionHeld {
				n++
			}
		}
		return n
	}
	wantHeld := func(n int) {
		t.Helper()
		e.WaitUntil(fmt.Sprintf("wait for %d deletions to be held", n), func() bool { return held() == n && len(e.Sim.Teams()) == n })
	}
	wantHeld(teams - limit)
	// Time alone lets none of them through.
	harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) { c.Spec.DeletionBrake.Per.Duration = time.Second })
	e.Compared(3)
	wantHeld(teams - limit)
	e.WaitUntil("wait for the connection to count them", func() bool {
		e.Refresh(e.Connection)
		return e.Connection.Status.HeldDeletes == teams-limit
	})
	for _, team := range all {
		if e.Refresh(team) {
			e.WaitMessage(team, v1alpha1.ReasonDeletionHeld, "More than 3 teams", v1alpha1.ApproveDeletesAnnotation)
			e.WaitEvent(team, v1alpha1.ReasonDeletionHeld, "More than 3 teams")
		}
	}
	approve := func(what string) { e.Annotate(e.Connection, v1alpha1.ApproveDeletesAnnotation, what) }
	for _, nonsense := range []string{"-1", "some"} {
		approve(nonsense)
		e.WaitUntil("wait for the annotation to be taken away", func() bool {
			e.Refresh(e.Connection)
			return e.Connection.Annotations[v1alpha1.ApproveDeletesAnnotation] == ""
		})
		e.WaitEvent(e.Connection, "ApprovalNotUnderstood", "nothing was approved")
	}
	for range 2 {
		e.Operator.Stop()
		e.Operator.Start(t)
		e.Compared(2)
		wantHeld(teams - limit)
	}
	approve("2")
	wantHeld(teams - limit - 2)
	e.Compared(1)
	wantHeld(teams - limit - 2)
	e.WaitEvent(e.Connection, "DeletionsApproved", "Approved 2 of 6")
	approve("all")
	for _, team := range all {
		e.WaitGone(team)
	}
	if n := len(e.Since(0, consolesim.DeleteTeam)); n != teams {
		t.Errorf("%d deletions, want %d", n, teams)
	}
}

// TestOrphansPassTheBrake: what deletes nothing in the console is not held.
func TestOrphansPassTheBrake(t *testing.T) {
	e := harness.Shared(t, harness.Options{Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
		c.DeletionBrake = v1alpha1.DeletionBrake{MaxDeletes: ptr(int32(0))}
	}})
	orphan := e.Team("orphan", v1alpha1.TeamSpec{DeletionPolicy: v1alpha1.TeamOrphan})
	held := e.Team("held", v1alpha1.TeamSpec{})
	e.Create(orphan, held)
	e.WaitReady(orphan, held)
	e.Delete(orphan, held)
	e.WaitGone(orphan)
	e.WaitReason(held, v1alpha1.ReasonDeletionHeld)
	// Who changes their mind about what is held need not ask anybody.
	harness.Update(e, held, func(team *v1alpha1.Team) { team.Spec.DeletionPolicy = v1alpha1.TeamOrphan })
	e.WaitGone(held)
	if len(e.Sim.Teams()) != 2 {
		t.Errorf("teams %+v, want both left", e.Sim.Teams())
	}
}

// TestBrakeAcrossRestarts: a new process lets no more deletions pass than the
// one before it would have, and an approval is for those who were held by then.
func TestBrakeAcrossRestarts(t *testing.T) {
	const limit = 3
	e := harness.Own(t, harness.Options{Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
		c.DeletionBrake = v1alpha1.DeletionBrake{MaxDeletes: ptr(int32(limit)), Per: metav1.Duration{Duration: time.Hour}}
	}})
	var all []*v1alpha1.Team
	for i := range 8 {
		all = append(all, e.Team(fmt.Sprintf("team-%d", i), v1alpha1.TeamSpec{}))
		e.Create(all[i])
	}
	for _, team := range all {
		e.WaitReady(team)
	}
	restart := func() {
		e.Operator.Stop()
		e.Operator.Start(t)
	}
	e.Delete(all[0], all[1])
	e.WaitGone(all[0], all[1])
	restart()
	e.Delete(all[2])
	e.WaitGone(all[2])
	restart()
	for _, team := range all[3:6] {
		e.Delete(team)
		e.WaitReason(team, v1alpha1.ReasonDeletionHeld)
	}
	e.Annotate(e.Connection, v1alpha1.ApproveDeletesAnnotation, "5")
	e.WaitGone(all[3], all[4], all[5])
	e.WaitEvent(e.Connection, "DeletionsApproved", "Approved 3 of 3")
	for _, team := range all[6:] {
		e.Delete(team)
		e.WaitReason(team, v1alpha1.ReasonDeletionHeld)
	}
	if n := len(e.Sim.Teams()); n != 2 {
		t.Errorf("%d teams are left, want the 2 that nobody approved", n)
	}
}

var massTeams = flag.Int("teams", 40, "how many Teams TestMassDeletion deletes at once")

// massDeletions are how a great many Teams come to be deleted at once.
var massDeletions = map[string]func(namespace string) client.Object{
	"namespace": func(namespace string) client.Object {
		return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}
	},
	"CRD": func(string) client.Object {
		crd := &unstructured.Unstructured{}
		crd.SetName("teams." + v1alpha1.GroupVersion.Group)
		crd.SetGroupVersionKind(schema.GroupVersionKind{Group: "apiextensions.k8s.io", Version: "v1", Kind: "CustomResourceDefinition"})
		return crd
	},
}

// TestMassDeletion: a namespace, or the CRD itself, that is deleted with all its
// Teams takes few of them from the console, and none more when the operator
// restarts. After approval all of it ends.
func TestMassDeletion(t *testing.T) {
	const limit = 10
	teams := *massTeams
	for name, object := range massDeletions {
		t.Run(name, func(t *testing.T) {
			e := harness.Alone(t, harness.Options{Windows: []consolesim.Window{{Requests: 5000, Per: 10 * time.Second}}})
			namespace := e.NewNamespace(nil)
			var objects []client.Object
			for i := range teams {
				team := e.Team(fmt.Sprintf("team-%d", i), v1alpha1.TeamSpec{})
				team.Namespace = namespace
				objects = append(objects, team)
			}
			e.CreateMany(objects)
			e.WaitReady(objects...)
			held := func() bool {
				e.Refresh(e.Connection)
				return int(e.Connection.Status.HeldDeletes) == teams-limit && len(e.Sim.Teams()) == teams-limit
			}
			e.Delete(object(namespace))
			e.WaitUntil("wait for the rest to be held", held)
			e.WaitUntil("wait for the metric to tell", func() bool {
				return e.Operator.Values(t, "console_access_objects", "reason")[v1alpha1.ReasonDeletionHeld] == float64(teams-limit)
			})
			e.Operator.Stop()
			e.Operator.Start(t)
			e.Compared(2)
			if !held() {
				t.Errorf("after a restart %d are held and %d teams are left", e.Connection.Status.HeldDeletes, len(e.Sim.Teams()))
			}
			e.Annotate(e.Connection, v1alpha1.ApproveDeletesAnnotation, "all")
			e.WaitUntil("wait for the approved deletions", func() bool { return len(e.Sim.Teams()) == 0 })
		})
	}
}
