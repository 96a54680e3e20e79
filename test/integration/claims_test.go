package integration

import (
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// seldom has nothing but events wake anybody within a test.
func seldom(c *v1alpha1.ConsoleConnectionSpec) { c.Drift.Interval.Duration = time.Hour }

// TestRenamedOntoAnother: an older Team that is renamed onto a younger one's
// name does not take it over, and gets it when the other one gives it up.
func TestRenamedOntoAnother(t *testing.T) {
	givesUp := map[string]func(*harness.Env, *v1alpha1.Team){
		"deleted": func(e *harness.Env, team *v1alpha1.Team) {
			e.Delete(team)
			e.WaitGone(team)
		},
		"renamed": func(e *harness.Env, team *v1alpha1.Team) {
			harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.Name = "Elsewhere" })
			e.WaitReady(team)
		},
	}
	for name, giveUp := range givesUp {
		t.Run(name, func(t *testing.T) {
			e := harness.Own(t, harness.Options{Connection: seldom})
			older := e.Team("a", v1alpha1.TeamSpec{Name: "Compilers"})
			e.Create(older)
			e.WaitReady(older)
			younger := e.Team("b", v1alpha1.TeamSpec{Name: "Parsers"})
			e.Create(younger)
			e.WaitReady(younger)
			mark := e.Mark()
			harness.Update(e, older, func(team *v1alpha1.Team) { team.Spec.Name = "Parsers" })
			e.WaitMessage(older, v1alpha1.ReasonNameTaken, "Team "+e.Namespace+"/b", `"Parsers"`)
			// Nor does it while the owner is being changed, or after a restart.
			harness.Update(e, younger, func(team *v1alpha1.Team) { team.Spec.Description = ptr("still here") })
			e.WaitReady(younger)
			e.Operator.Stop()
			e.Operator.Start(t)
			e.Annotate(older, v1alpha1.ReconcileRequestedAtAnnotation, "1")
			e.WaitReason(older, v1alpha1.ReasonNameTaken)
			e.WaitReady(younger)
			e.WantWrites(mark, consolesim.UpdateTeam)
			id := older.Status.ID
			giveUp(e, younger)
			e.WaitReady(older)
			if got := e.TeamNamed("Parsers"); got.ID != id {
				t.Errorf("the team of that name is %s, want %s, renamed", got.ID, id)
			}
		})
	}
}

// TestAdmissionLost: when the connection ceases to admit an owner's namespace
// the next takes over, and keeps it when the first is admitted again.
func TestAdmissionLost(t *testing.T) {
	e := harness.Own(t, harness.Options{Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
		seldom(c)
		c.AllowedNamespaces = v1alpha1.AllowedNamespaces{
			From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"console": "yes"}},
		}
	}})
	first, second := e.NewNamespace(map[string]string{"console": "yes"}), e.NewNamespace(map[string]string{"console": "yes"})
	adopts := v1alpha1.TeamSpec{Name: "Growth", AdoptionPolicy: v1alpha1.AdoptionAdopt}
	teams := []*v1alpha1.Team{e.Team("team", adopts), e.Team("team", adopts)}
	roles := []*v1alpha1.UserRole{e.UserRole(alan, "Read Only"), e.UserRole(alan, "Member")}
	for i, namespace := range []string{first, second} {
		teams[i].Namespace, roles[i].Namespace = namespace, namespace
		e.Create(teams[i], roles[i])
		if i == 0 {
			e.WaitReady(teams[0], roles[0])
		}
	}
	e.WaitReason(teams[1], v1alpha1.ReasonNameTaken)
	e.WaitReason(roles[1], v1alpha1.ReasonNameTaken)
	admit := func(namespace, answer string) {
		harness.Update(e, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace}}, func(ns *corev1.Namespace) {
			ns.Labels["console"] = answer
		})
	}
	admit(first, "no")
	e.WaitReason(teams[0], v1alpha1.ReasonNamespaceNotAllowed)
	e.WaitReason(roles[0], v1alpha1.ReasonNamespaceNotAllowed)
	e.WaitReady(teams[1], roles[1])
	e.WantRole(alan, "Member")
	admit(first, "yes")
	e.WaitReason(teams[0], v1alpha1.ReasonNameTaken)
	e.WaitReason(roles[0], v1alpha1.ReasonNameTaken)
	e.WaitReady(teams[1], roles[1])
	// What another one has taken over is not deleted with the first.
	e.Delete(teams[0], roles[0])
	e.WaitGone(teams[0], roles[0])
	e.TeamNamed("Growth")
	e.WantRole(alan, "Member")
	if n := len(e.Since(0, consolesim.CreateTeam, consolesim.DeleteTeam)); n != 1 {
		t.Errorf("%d teams were created or deleted, want 1", n)
	}
}

// TestLastAdminOfTwoConnections: two connections with different keys of one
// project leave it an Admin, however they run into each other.
func TestLastAdminOfTwoConnections(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	other := e.NewConnection(e.Namespace + "-other")
	key := "canary-other-" + e.Namespace
	e.Sim.AddKey(key)
	e.CreateSecret(other.Name, key)
	e.Create(other)
	e.WaitReady(e.Connection, other)
	roles := []*v1alpha1.UserRole{e.UserRole(ada, "Member"), e.UserRole(grace, "Member")}
	roles[1].Spec.ConnectionRef.Name = other.Name
	held := []*harness.Held{e.Hold("POST", "/console/v1/users/"), e.Hold("POST", "/console/v1/users/")}
	e.Create(roles[0], roles[1])
	held[0].Wait(e)
	e.Compared(2)
	for _, h := range held {
		h.Release()
	}
	var ready, last *v1alpha1.UserRole
	e.WaitUntil("wait for one to be the last", func() bool {
		ready, last = nil, nil
		for _, role := range roles {
			e.Refresh(role)
			switch harness.Ready(role).Reason {
			case v1alpha1.ReasonSynced:
				ready = role
			case v1alpha1.ReasonLastAdmin:
				last = role
			}
		}
		return ready != nil && last != nil
	})
	e.WantRole(string(ready.Spec.Email), "Member")
	e.WantRole(string(last.Spec.Email), "Admin")
}

// TestTwoConnectionsOneProject: objects of two connections that name one Secret
// know of each other's claims. When the connection of the owner ceases to admit
// it, the other takes over.
func TestTwoConnectionsOneProject(t *testing.T) {
	e := harness.Own(t, harness.Options{Connection: seldom})
	other := e.NewConnection(e.Namespace + "-other")
	other.Spec.APIKeySecretRef.Name = e.Connection.Name
	seldom(&other.Spec)
	e.Create(other)
	e.WaitReady(other)
	adopts := v1alpha1.TeamSpec{Name: "Growth", AdoptionPolicy: v1alpha1.AdoptionAdopt, DeletionPolicy: v1alpha1.TeamDelete}
	teams := []*v1alpha1.Team{e.Team("team", adopts), e.Team("again", adopts)}
	roles := []*v1alpha1.UserRole{e.UserRole(alan, "Read Only"), e.UserRole(alan, "Member")}
	roles[1].Name = "again"
	teams[1].Spec.ConnectionRef.Name, roles[1].Spec.ConnectionRef.Name = other.Name, other.Name
	e.Create(teams[0], roles[0])
	e.WaitReady(teams[0], roles[0])
	e.Create(teams[1], roles[1])
	e.WaitMessage(teams[1], v1alpha1.ReasonNameTaken, "Team "+e.Namespace+"/team")
	e.WaitReason(roles[1], v1alpha1.ReasonNameTaken)
	id := e.TeamNamed("Growth").ID
	harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) {
		c.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{
			From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"console": "yes"}},
		}
	})
	e.WaitReason(teams[0], v1alpha1.ReasonNamespaceNotAllowed)
	e.WaitReady(teams[1], roles[1])
	e.WantRole(alan, "Member")
	e.Refresh(teams[1])
	if got := teams[1].Status; got.ID != id || !got.Adopted {
		t.Errorf("the second stands for %+v, want the team %s, adopted", got, id)
	}
	if n := len(e.Since(0, consolesim.CreateTeam, consolesim.DeleteTeam)); n != 1 {
		t.Errorf("%d teams were created or deleted, want 1", n)
	}
}
