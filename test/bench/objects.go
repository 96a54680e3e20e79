package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
)

// How many objects are created at a time: in a roll-out few, so that what is
// measured is not kept from the API server by the bench, which kubectl apply
// would not do either.
const (
	rolloutAppliers = 4
	fillAppliers    = 16
)

const createAttempts = 3

const (
	tenant     = "tenant"         // the objects' namespace
	connection = "default"        // what objects refer to unless they say otherwise
	operatorNS = "console-access" // the operator's own namespace
)

// A kind of object.
type kind string

const (
	userRoles kind = "UserRole"
	teams     kind = "Team"
)

// resource is the kind's name in URLs.
func (k kind) resource() string { return strings.ToLower(string(k)) + "s" }

func (k kind) empty() v1alpha1.AccessObject {
	if k == teams {
		return &v1alpha1.Team{}
	}
	return &v1alpha1.UserRole{}
}

func email(i int) string { return fmt.Sprintf("user%05d@example.com", i) }

func teamName(i int) string { return fmt.Sprintf("team-%05d", i) }

func newUserRole(i int) v1alpha1.AccessObject {
	u := &v1alpha1.UserRole{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: fmt.Sprintf("user-%05d", i)}}
	u.Spec.Email, u.Spec.Role = v1alpha1.EmailAddress(email(i)), consolesim.RoleMember
	return u
}

// newTeam is a team with some of the first n users for members.
func newTeam(i, members, n int) v1alpha1.AccessObject {
	t := &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: teamName(i)}}
	t.Spec.AdoptionPolicy = v1alpha1.AdoptionAdopt
	for k := range members {
		t.Spec.Members = append(t.Spec.Members, v1alpha1.EmailAddress(email((i*members+k)%n)))
	}
	return t
}

// people fills the console with two Admins and n users of a role.
func people(c *console, n int, role string) {
	for i := range 2 {
		c.PutUser(consolesim.User{Email: fmt.Sprintf("admin%d@example.com", i), Role: consolesim.RoleAdmin})
	}
	for i := range n {
		c.PutUser(consolesim.User{Email: email(i), Role: role})
	}
}

// wrong says where the console is not as the specs of n objects say.
func wrong(c *console, k kind, n int) error {
	have := map[string]int{}
	if k == teams {
		for _, t := range c.Teams() {
			have[t.Name]++
		}
	} else {
		for _, u := range c.Users() {
			if u.Role == consolesim.RoleMember {
				have[u.Email]++
			}
		}
	}
	for i := range n {
		name := email(i)
		if k == teams {
			name = teamName(i)
		}
		if have[name] != 1 {
			return fmt.Errorf("the console has %d times what %s %d asks for, want once (%s)", have[name], k, i, name)
		}
	}
	return nil
}

// apply creates n objects, so many at a time.
func apply(ctx context.Context, c client.Client, n, atATime int, make func(int) v1alpha1.AccessObject) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atATime)
	for i := range n {
		group.Go(func() error {
			return create(ctx, c, make(i))
		})
	}
	return group.Wait()
}

// create creates an object, although the API server may be short of time.
func create(ctx context.Context, c client.Client, obj client.Object) error {
	for attempt := 1; ; attempt++ {
		err := c.Create(ctx, obj)
		if err == nil || attempt > 1 && apierrors.IsAlreadyExists(err) {
			return nil
		}
		if attempt == createAttempts || ctx.Err() != nil {
			return fmt.Errorf("create %T %s: %w", obj, obj.GetName(), err)
		}
	}
}

// newConnection leads to the console, under its windows, with default values
// for all that is not given.
func newConnection(c *console, at scale, interval time.Duration) *v1alpha1.ConsoleConnection {
	obj := &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: connection}}
	obj.Spec.Endpoint = c.endpoint
	obj.Spec.APIKeySecretRef.Name = connection
	obj.Spec.RateLimit.Share = operatorShare
	obj.Spec.Drift.Interval.Duration = interval
	for _, w := range at.windows() {
		obj.Spec.RateLimit.Windows = append(obj.Spec.RateLimit.Windows,
			v1alpha1.RateLimitWindow{Requests: int32(w.Requests), Per: metav1.Duration{Duration: w.Per}})
	}
	return obj
}
