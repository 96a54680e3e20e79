package crash

import (
	"context"
	"fmt"
	"slices"
	"strconv"

	eventsv1 "k8s.io/api/events/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// namespaces is how many namespaces the objects are in.
const namespaces = 4

// prepare puts the people into the console and draws up the objects: half of
// the UserRoles raise somebody, half take something away.
func (c *campaign) prepare(roles, teams int) {
	spaces := []string{c.e.Namespace}
	for range namespaces - 1 {
		spaces = append(spaces, c.e.NewNamespace(nil))
	}
	emails := make([]string, roles)
	for i := range roles {
		emails[i] = fmt.Sprintf("user%04d@example.com", i)
		have, want := consolesim.RoleReadOnly, consolesim.RoleMember
		if i%2 == 1 {
			have, want = want, have
		}
		c.e.Sim.PutUser(consolesim.User{Email: emails[i], FirstName: "User", LastName: fmt.Sprint(i), Role: have})
		obj := c.e.UserRole(emails[i], want)
		obj.Namespace = spaces[i%namespaces]
		c.objects = append(c.objects, obj)
	}
	for i := range teams {
		spec := v1alpha1.TeamSpec{}
		for k := range 3 {
			spec.Members = append(spec.Members, v1alpha1.EmailAddress(emails[(3*i+k)%roles]))
		}
		obj := c.e.Team(fmt.Sprintf("team%03d", i), spec)
		obj.Namespace = spaces[i%namespaces]
		c.objects = append(c.objects, obj)
	}
	c.rng.Shuffle(len(c.objects), func(i, j int) { c.objects[i], c.objects[j] = c.objects[j], c.objects[i] })
}

// ready counts the objects that say so, and names some that do not.
func (c *campaign) ready() (n int, others []string) {
	userRoles, teams := &v1alpha1.UserRoleList{}, &v1alpha1.TeamList{}
	for _, list := range []client.ObjectList{userRoles, teams} {
		if err := c.e.Client().List(context.Background(), list); err != nil {
			c.t.Fatalf("list the objects: %v", err)
		}
	}
	count := func(obj client.Object) {
		if r := harness.Ready(obj); r.Status == metav1.ConditionTrue {
			n++
		} else if len(others) < 5 {
			others = append(others, fmt.Sprintf("%s: %s %s", obj.GetName(), r.Reason, r.Message))
		}
	}
	for i := range userRoles.Items {
		count(&userRoles.Items[i])
	}
	for i := range teams.Items {
		count(&teams.Items[i])
	}
	return n, others
}

// written is the number of the last write to Kubernetes, of whatever kind.
func (c *campaign) written() int {
	list := &v1alpha1.ConsoleConnectionList{}
	if err := c.e.Client().List(context.Background(), list); err != nil {
		c.t.Fatalf("list the connections: %v", err)
	}
	n, err := strconv.Atoi(list.ResourceVersion)
	if err != nil {
		c.t.Fatalf("the version of a list: %v", err)
	}
	return n
}

// check holds the console to what the objects say.
func (c *campaign) check() {
	for _, obj := range c.objects {
		switch obj := obj.(type) {
		case *v1alpha1.UserRole:
			user, ok := c.e.Sim.User(string(obj.Spec.Email))
			if !ok || user.Role != string(obj.Spec.Role) {
				c.t.Errorf("%s has the role %q in the console, want %q", obj.Spec.Email, user.Role, obj.Spec.Role)
			}
		case *v1alpha1.Team:
			found := c.e.Sim.TeamsNamed(obj.Name)
			if len(found) != 1 {
				c.t.Errorf("the console has %d teams named %s, want 1", len(found), obj.Name)
				continue
			}
			var want []string
			for _, member := range obj.Spec.Members {
				want = append(want, string(member))
			}
			if !slices.Equal(found[0].Members, want) {
				c.t.Errorf("team %s has the members %v in the console, want %v", obj.Name, found[0].Members, want)
			}
		}
	}
	if got := len(c.e.Sim.Snapshot().Teams); got != *teams {
		c.t.Errorf("the console has %d teams, want %d", got, *teams)
	}
	if violations := c.e.Sim.Violations(); violations > 0 {
		c.t.Errorf("%d requests overfilled a window of the console; the first: %+v", violations, c.e.Sim.ViolationList()[0])
	}
	c.checkEvents()
	for _, m := range c.managers {
		lines, err := m.Logged(c.e.Key, "bserved a panic", "DATA RACE", "fatal error")
		if err != nil {
			c.t.Fatal(err)
		}
		if len(lines) > 0 {
			c.t.Errorf("%s logged %d lines that it should not, such as %s", m.Name, len(lines), lines[0])
		}
	}
}

// checkEvents looks for what only the loss of a record gives rise to.
func (c *campaign) checkEvents() {
	list := &eventsv1.EventList{}
	if err := c.e.Client().List(context.Background(), list, client.InNamespace(metav1.NamespaceDefault)); err != nil {
		c.t.Fatalf("list the events: %v", err)
	}
	for _, event := range list.Items {
		if event.Reason == "QuotaRecordLost" {
			c.t.Errorf("the record was lost: %s", event.Note)
		}
	}
}
