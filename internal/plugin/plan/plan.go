// Package plan tells what applying manifests would change in the console. It
// compares with the code that the reconcilers compare with.
package plan

import (
	"fmt"
	"slices"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/plugin/inventory"
	"github.com/console-access/console-access-operator/internal/plugin/manifest"
)

// An Action is what would be done in the console for one object.
type Action string

// The actions. An object can have a problem besides.
const (
	None   Action = "none"
	Create Action = "create"
	Update Action = "update"
	Invite Action = "invite"
)

// A Field is one field that would be changed, or, with an action of None, that
// differs and would not be.
type Field struct {
	Field string `json:"field"`
	Now   string `json:"now"`
	Then  string `json:"then"`
	// Added and Removed are the addresses of a list of people.
	Added   []string `json:"added,omitempty"`
	Removed []string `json:"removed,omitempty"`
	// Revokes is true when it takes somebody's access away.
	Revokes bool `json:"revokes,omitempty"`
}

// A Change is what becomes of one object.
type Change struct {
	Action    Action `json:"action"`
	Kind      string `json:"kind"`
	Namespace string `json:"namespace,omitempty"`
	Name      string `json:"name"`
	// Of is the team's name or the person's address in the console.
	Of     string  `json:"of"`
	Fields []Field `json:"fields,omitempty"`
	// Reason is that of the condition which the object would have, when it would
	// not become Ready; Message tells why, and what to do about it.
	Reason  string `json:"reason,omitempty"`
	Message string `json:"message,omitempty"`
}

// A Plan is what applying would do.
type Plan struct {
	Connection string   `json:"connection"`
	Changes    []Change `json:"changes"`
	Summary    Summary  `json:"summary"`
}

// A Summary counts objects.
type Summary struct {
	Create   int `json:"create"`
	Update   int `json:"update"`
	Invite   int `json:"invite"`
	UpToDate int `json:"upToDate"`
	Problems int `json:"problems"`
	// Elsewhere are the objects that name another connection.
	Elsewhere int `json:"elsewhere"`
}

// Changed reports whether anything would be changed in the console.
func (p *Plan) Changed() bool { return p.Summary.Create+p.Summary.Update+p.Summary.Invite > 0 }

// State is what the manifests meet.
type State struct {
	Inventory *inventory.Inventory
	// Connection is the one to plan for, as it would be after applying; only
	// its name is needed.
	Connection *v1alpha1.ConsoleConnection
	// Cluster holds, by [Key], the objects that are in the cluster; nil when that
	// is not known.
	Cluster map[Key]v1alpha1.AccessObject
	// Namespace is that of objects that name none.
	Namespace string
	// Refused holds the namespaces that the connection does not admit.
	Refused map[string]bool
}

// A Key names an object.
type Key struct{ Kind, Namespace, Name string }

// KeyOf is the key of an object.
func (s State) KeyOf(obj client.Object) Key {
	k := Key{manifest.KindOf(obj), obj.GetNamespace(), obj.GetName()}
	if k.Namespace == "" {
		k.Namespace = s.Namespace
	}
	return k
}

// Make compares the manifests with the console.
func Make(objects []client.Object, s State) *Plan {
	p := &planner{State: s, claimed: map[string]string{}, demoted: map[string]bool{}, out: &Plan{Connection: s.Connection.Name, Changes: []Change{}}}
	for _, obj := range objects {
		o, ok := obj.(v1alpha1.AccessObject)
		switch {
		case !ok:
			continue // connections change nothing in the console
		case o.ConnectionName() != s.Connection.Name:
			p.out.Summary.Elsewhere++
			continue
		}
		p.out.Changes = append(p.out.Changes, p.change(o))
	}
	p.keepOneAdmin()
	for _, c := range p.out.Changes {
		p.count(c)
	}
	return p.out
}

type planner struct {
	State
	out     *Plan
	claimed map[string]string
	// demoted are the keys of the Admins that would become something less;
	// promoted is true when somebody would become Admin.
	demoted  map[string]bool
	promoted bool
}

func (p *planner) change(obj v1alpha1.AccessObject) Change {
	key := p.KeyOf(obj.(client.Object))
	c := Change{Action: None, Kind: key.Kind, Namespace: key.Namespace, Name: key.Name, Of: obj.Claim()}
	name := key.Namespace + "/" + key.Name
	if owner, taken := p.claimed[key.Kind+"\x00"+c.Of]; taken {
		c.problem(v1alpha1.ReasonNameTaken, "%s %s among these manifests stands for %q, too. Remove one of the two.", key.Kind, owner, c.Of)
		return c
	}
	p.claimed[key.Kind+"\x00"+c.Of] = name
	if p.Connection.Spec.Suspend {
		c.problem(v1alpha1.ReasonSuspended, "ConsoleConnection %q is suspended, so nothing is done. Resume it with kubectl console-access resume cconn/%[1]s.", p.Connection.Name)
		return c
	}
	if p.Refused[key.Namespace] {
		c.problem(v1alpha1.ReasonNamespaceNotAllowed,
			"ConsoleConnection %q does not admit namespace %q. Ask its owner to admit the namespace in spec.allowedNamespaces, or use another connection.",
			p.Connection.Name, key.Namespace)
		return c
	}
	if owner := p.owner(key, obj); owner != nil {
		c.problem(v1alpha1.ReasonNameTaken, "%s %s/%s in the cluster owns %q. Change or delete one of the two.", key.Kind, owner.GetNamespace(), owner.GetName(), c.Of)
		return c
	}
	switch obj := obj.(type) {
	case *v1alpha1.Team:
		p.team(&c, obj)
	case *v1alpha1.UserRole:
		p.role(&c, obj)
	}
	return c
}

// problem notes why the object would not become Ready.
func (c *Change) problem(reason, format string, args ...any) {
	c.Reason, c.Message = reason, fmt.Sprintf(format, args...)
}

// differ notes differences; they are written unless the mode forbids it.
func (c *Change) differ(action Action, mode v1alpha1.Mode, differences []console.Difference) {
	for _, d := range differences {
		c.Fields = append(c.Fields, Field{Field: d.Field, Now: d.Have, Then: d.Want, Revokes: d.Revokes})
	}
	if mode == v1alpha1.ModeObserve && len(differences) > 0 {
		c.problem(v1alpha1.ReasonDriftDetected, "The console differs, and nothing is changed because spec.mode is Observe.")
		return
	}
	if len(differences) > 0 {
		c.Action = action
	}
}

func (p *planner) count(c Change) {
	switch c.Action {
	case Create:
		p.out.Summary.Create++
	case Update:
		p.out.Summary.Update++
	case Invite:
		p.out.Summary.Invite++
	case None:
		if c.Reason == "" {
			p.out.Summary.UpToDate++
		}
	}
	if c.Reason != "" {
		p.out.Summary.Problems++
	}
}

// inCluster returns the object of the same name in the cluster, or nil.
func (p *planner) inCluster(obj client.Object) v1alpha1.AccessObject {
	return p.Cluster[p.KeyOf(obj)]
}

func (p *planner) user(email string) (console.User, bool) {
	i := slices.IndexFunc(p.Inventory.Users, func(u console.User) bool { return console.SameEmail(u.Email, email) })
	if i < 0 {
		return console.User{}, false
	}
	return p.Inventory.Users[i], true
}

func names(list []string) string {
	slices.Sort(list)
	return strings.Join(slices.Compact(list), ", ")
}
