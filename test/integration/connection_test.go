package integration

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// TestConnectionStatus tells what the console holds and how the quota stands.
func TestConnectionStatus(t *testing.T) {
	e := harness.Shared(t, harness.Options{Teams: []consolesim.Team{seeded("Growth")}})
	e.WaitReady(e.Connection)
	e.WaitUntil("wait for the counts", func() bool {
		e.Refresh(e.Connection)
		s := e.Connection.Status
		return equal(s.Users, ptr(int32(5))) && equal(s.Admins, ptr(int32(2))) && equal(s.Teams, ptr(int32(1))) &&
			s.UsersReadAt != nil && s.TeamsReadAt != nil && s.Quota != nil && len(s.Quota.Windows) == 1 &&
			s.Quota.Windows[0].Limit == 360 && s.Quota.Windows[0].Used > 0
	})
}

// TestOneListingPerInterval: however long the pages take, a comparison costs
// each of them once.
func TestOneListingPerInterval(t *testing.T) {
	e := harness.Shared(t, harness.Options{Behavior: func(b *consolesim.Behavior) { b.MaxPageSize = 2 }})
	for _, r := range []string{"a", "b", "c"} {
		e.Create(e.UserRole(r+"@example.com", "Member"))
	}
	e.WaitReady(e.Connection)
	mark := e.Mark()
	e.Compared(6)
	users, teams := len(e.Since(mark, consolesim.ListUsers)), len(e.Since(mark, consolesim.ListTeams))
	// Five users are three pages; the window may begin or end amid a listing.
	if users > 3*(teams+1) || teams > users/3+2 {
		e.Fatalf("%d pages of users for %d of teams, want 3 to 1", users, teams)
	}
}

// TestKeyRotation: a new key is used at once, without a restart, and the old
// one no more.
func TestKeyRotation(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"})
	e.Create(team)
	e.WaitReady(team)
	const rotated = "canary-rotated"
	name := e.Sim.AddKey(rotated)
	e.SetKey(e.Connection.Name, rotated)
	e.WaitUntil("wait for the new key to be used", func() bool {
		all := e.Since(0)
		return all[len(all)-1].Key == name
	})
	e.Sim.RevokeKey(e.Key)
	mark := e.Mark()
	harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.Description = ptr("With the new key") })
	e.WaitReady(team, e.Connection)
	for _, r := range e.Since(mark) {
		if r.Key != name {
			t.Errorf("%s %s was sent with %q, want %s", r.Method, r.Path, r.Key, name)
		}
	}
	e.WantWrites(mark, consolesim.UpdateTeam)
}

// TestWrongKey: everybody is told, nothing is hammered, the key is not
// repeated although the console does, and a right key heals it.
func TestWrongKey(t *testing.T) {
	e := harness.Shared(t, harness.Options{Unconnected: true})
	e.CreateSecret(e.Namespace, "canary-wrong-key")
	c := e.NewConnection(e.Namespace)
	team, role := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"}), e.UserRole(edsger, "Member")
	e.Create(c, team, role)
	for _, obj := range []interface {
		metav1.Object
		v1alpha1.AccessObject
	}{team, role} {
		e.WaitMessage(obj, v1alpha1.ReasonUnauthorized, "apiKeySecretRef")
	}
	e.WaitMessage(c, v1alpha1.ReasonUnauthorized, "Secret")
	if n := len(e.Since(0)); n > 4 {
		t.Errorf("%d requests with a refused key, want a few", n)
	}
	e.SetKey(c.Name, e.Key)
	e.WaitReady(c, team, role)
	e.WantRole(edsger, "Member")
}

// TestMissingSecret: it is named, and everything heals when it is there.
func TestMissingSecret(t *testing.T) {
	e := harness.Shared(t, harness.Options{Unconnected: true})
	c := e.NewConnection(e.Namespace)
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"})
	e.Create(c, team)
	e.WaitMessage(c, v1alpha1.ReasonConnectionNotReady, `no Secret "`+e.Namespace+`" in namespace "`+e.Operator.Namespace+`"`, `"apiKey"`)
	e.WaitMessage(team, v1alpha1.ReasonConnectionNotReady, c.Name, "Secret")
	secret := e.CreateSecret(e.Namespace, e.Key)
	e.WaitReady(c, team)

	harness.Update(e, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"other": []byte(e.Key)} })
	e.WaitMessage(c, v1alpha1.ReasonConnectionNotReady, `nothing under "apiKey"`)
	harness.Update(e, c, func(c *v1alpha1.ConsoleConnection) { c.Spec.APIKeySecretRef.Key = "other" })
	e.WaitReady(c, team)
	// A line break at the end is the usual mistake, and does no harm.
	harness.Update(e, secret, func(s *corev1.Secret) { s.Data["other"] = []byte(e.Key + "\n") })
	e.Compared(1)
	harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.Description = ptr("With a line break") })
	e.WaitReady(c, team)
	e.WantWrites(0, consolesim.CreateTeam, consolesim.UpdateTeam)
}

// TestUnknownConnection: an object may come before its connection.
func TestUnknownConnection(t *testing.T) {
	e := harness.Shared(t, harness.Options{Unconnected: true})
	e.CreateSecret(e.Namespace, e.Key)
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"})
	e.Create(team)
	e.WaitMessage(team, v1alpha1.ReasonConnectionNotReady, `no ConsoleConnection "`+e.Namespace+`"`)
	e.Create(e.NewConnection(e.Namespace))
	e.WaitReady(team)
}

// TestConnectionInUse: a connection stays until nothing needs it, names what
// does, and works until then.
func TestConnectionInUse(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	team, role := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"}), e.UserRole(alan, "Admin", func(s *v1alpha1.UserRoleSpec) {
		s.DeletionPolicy = v1alpha1.UserRoleRestore
	})
	e.Create(team, role)
	e.WaitReady(team, role)
	e.Delete(e.Connection)
	e.WaitMessage(e.Connection, v1alpha1.ReasonInUse, "2 objects", "Team "+e.Namespace+"/growth", "UserRole "+e.Namespace+"/alan")
	e.Delete(team)
	e.WaitGone(team)
	e.WaitMessage(e.Connection, v1alpha1.ReasonInUse, "UserRole "+e.Namespace+"/alan")
	e.Delete(role)
	e.WaitGone(role, e.Connection)
	e.WantRole(alan, "Member")
	if left := e.Sim.Teams(); len(left) != 0 {
		t.Errorf("teams %+v, want none", left)
	}
}

// TestForcedConnection: a connection that is forced to go leaves its objects
// without one, and they are let go in the same way.
func TestForcedConnection(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"})
	e.Create(team)
	e.WaitReady(team)
	e.Annotate(e.Connection, v1alpha1.ForceOrphanAnnotation, "true")
	e.Delete(e.Connection)
	e.WaitGone(e.Connection)
	e.WaitReason(team, v1alpha1.ReasonConnectionNotReady)
	e.Delete(team)
	e.WaitMessage(team, v1alpha1.ReasonConnectionNotReady, v1alpha1.ForceOrphanAnnotation)
	e.Annotate(team, v1alpha1.ForceOrphanAnnotation, "true")
	e.WaitGone(team)
	e.TeamNamed("Growth")
}

// TestConnectionSuspended: no calls at all, also none for a deletion.
func TestConnectionSuspended(t *testing.T) {
	e := harness.Shared(t, harness.Options{})
	team := e.Team("growth", v1alpha1.TeamSpec{Name: "Growth"})
	e.Create(team)
	e.WaitReady(team)
	harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) { c.Spec.Suspend = true })
	e.WaitReason(e.Connection, v1alpha1.ReasonSuspended)
	e.WaitMessage(team, v1alpha1.ReasonSuspended, e.Connection.Name)
	mark := e.Mark()
	harness.Update(e, team, func(team *v1alpha1.Team) { team.Spec.Description = ptr("Later") })
	e.WaitReason(team, v1alpha1.ReasonSuspended)
	e.Consistently("a suspended connection makes no calls", 2*harness.DriftInterval, func() error { return none(e.Since(mark)) })
	harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) { c.Spec.Suspend = false })
	e.WaitReady(e.Connection, team)
	if got := e.TeamNamed("Growth").Description; !equal(got, ptr("Later")) {
		t.Errorf("the description is %v, want that of the meantime", got)
	}
}

// TestAllowedNamespaces: only namespaces that the connection admits may use
// it, also when that changes later, by their labels or by the selector.
func TestAllowedNamespaces(t *testing.T) {
	e := harness.Shared(t, harness.Options{Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
		c.AllowedNamespaces = v1alpha1.AllowedNamespaces{
			From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"console": "yes"}},
		}
	}})
	admitted := e.NewNamespace(map[string]string{"console": "yes"})
	inside := e.Team("inside", v1alpha1.TeamSpec{Name: "Inside"})
	inside.Namespace = admitted
	outside, role := e.Team("outside", v1alpha1.TeamSpec{Name: "Outside"}), e.UserRole(edsger, "Member")
	e.Create(inside, outside, role)
	e.WaitReady(inside)
	e.WaitMessage(outside, v1alpha1.ReasonNamespaceNotAllowed, `"`+e.Namespace+`"`, "spec.allowedNamespaces")
	e.WaitReason(role, v1alpha1.ReasonNamespaceNotAllowed)
	e.WantRole(edsger, "Read Only")

	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: e.Namespace}}
	harness.Update(e, ns, func(ns *corev1.Namespace) { ns.Labels["console"] = "yes" })
	e.WaitReady(outside, role)
	harness.Update(e, e.Connection, func(c *v1alpha1.ConsoleConnection) { c.Spec.AllowedNamespaces = v1alpha1.AllowedNamespaces{} })
	e.WaitReady(outside, inside, role)
}

// TestNotAdmittedOwnsNothing: an older object that may not use the connection
// keeps nobody from a name.
func TestNotAdmittedOwnsNothing(t *testing.T) {
	e := harness.Shared(t, harness.Options{Connection: func(c *v1alpha1.ConsoleConnectionSpec) {
		c.AllowedNamespaces = v1alpha1.AllowedNamespaces{
			From: v1alpha1.NamespacesFromSelector, Selector: &metav1.LabelSelector{MatchLabels: map[string]string{"console": "yes"}},
		}
	}})
	squatter := e.Team("a", v1alpha1.TeamSpec{Name: "Growth"})
	e.Create(squatter)
	e.WaitReason(squatter, v1alpha1.ReasonNamespaceNotAllowed)
	team := e.Team("b", v1alpha1.TeamSpec{Name: "Growth"})
	team.Namespace = e.NewNamespace(map[string]string{"console": "yes"})
	e.Create(team)
	e.WaitReady(team)
}
