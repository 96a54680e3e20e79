package connection

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

// record has Teams and UserRoles of the connection record what the project has, and
// some that it has not.
func (b *bench) record(t *testing.T, teams, goneTeams, people, gonePeople int) {
	t.Helper()
	for i := range teams + goneTeams {
		obj := &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: fmt.Sprint("team-", i)}}
		obj.Status.ID = fmt.Sprint("gone-", i)
		if i < teams {
			obj.Status.ID = b.sim.PutTeam(consolesim.Team{Name: obj.Name}).ID
		}
		if err := b.Client.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
	for i := range people + gonePeople {
		obj := &v1alpha1.UserRole{ObjectMeta: metav1.ObjectMeta{Namespace: "tenant", Name: fmt.Sprint("person-", i)}}
		obj.Spec.Email, obj.Status.Role = v1alpha1.EmailAddress(fmt.Sprintf("person%d@example.com", i)), "Member"
		if i < people {
			b.sim.PutUser(consolesim.User{Email: string(obj.Spec.Email), Role: "Member"})
		}
		if err := b.Client.Create(t.Context(), obj); err != nil {
			t.Fatal(err)
		}
	}
}

// key replaces the API key in the Secret.
func (b *bench) key(t *testing.T, key string) {
	t.Helper()
	secret := &corev1.Secret{}
	if err := b.Client.Get(t.Context(), types.NamespacedName{Namespace: "operator", Name: "key"}, secret); err != nil {
		t.Fatal(err)
	}
	secret.Data["apiKey"] = []byte(key)
	if err := b.Client.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
}

// usable reports whether an object may use the connection. It must be told why not, or
// be waiting.
func (b *bench) usable(t *testing.T) bool {
	t.Helper()
	_, _, v, err := access.Resolve(t.Context(), b.Client, b.Links, &v1alpha1.Team{})
	switch {
	case v != nil && (v.Reason != v1alpha1.ReasonConnectionNotReady || !strings.Contains(v.Message, "another project")):
		t.Errorf("an object is told %+v", v)
	case v == nil && err != nil && !errors.Is(err, console.ErrReading):
		t.Error(err)
	}
	return v == nil && err == nil
}

// stays checks for a while whether objects may use the connection.
func (b *bench) stays(t *testing.T, period time.Duration, usable bool) {
	t.Helper()
	for end := time.Now().Add(period); time.Now().Before(end); time.Sleep(5 * time.Second) {
		if _, err := b.Reconcile(t.Context(), ctrl.Request{NamespacedName: types.NamespacedName{Name: "default"}}); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if b.usable(t) != usable {
			t.Fatalf("usable by objects: %v, want %v", !usable, usable)
		}
	}
}

// A project that lacks most of what its objects have recorded is another one: nothing
// is done in it until the key is put right, or a person says that it is meant.
func TestAnotherProject(t *testing.T) {
	for _, tt := range []struct{ teams, goneTeams, people, gonePeople int }{
		{teams: 5}, {people: 5}, {teams: 5, people: 5},
	} {
		for _, approved := range []bool{false, true} {
			t.Run(fmt.Sprint(tt, approved), func(t *testing.T) {
				inBubble(t, func(t *testing.T, b *bench) {
					b.record(t, tt.teams, 0, tt.people, 0)
					b.sim.AddProject("other", "other-key")
					b.reconcile(t)
					b.stays(t, time.Minute, true)
					b.wants(t, v1alpha1.ReasonSynced, "")
					b.key(t, "other-key")
					b.stays(t, 20*time.Second, false)
					b.stays(t, 15*time.Minute, false)
					b.wants(t, v1alpha1.ReasonConnectionNotReady, "lacks 5 of the 5")
					if n := len(b.recorder.Events); n != 1 {
						t.Errorf("%d events, want 1", n)
					}
					if !approved {
						b.key(t, apiKey)
						b.reconcile(t)
						b.stays(t, time.Minute, true)
						b.wants(t, v1alpha1.ReasonSynced, "")
						return
					}
					digest := b.Links.Get("default").KeyDigest
					b.wants(t, v1alpha1.ReasonConnectionNotReady, v1alpha1.ApproveProjectAnnotation+"="+digest)
					b.edit(t, func(c *v1alpha1.ConsoleConnection) {
						c.Annotations = map[string]string{v1alpha1.ApproveProjectAnnotation: digest}
					})
					b.reconcile(t)
					b.stays(t, time.Minute, true)
					b.wants(t, v1alpha1.ReasonSynced, "")
					// The approval is for that key alone.
					b.sim.AddProject("third", "third-key")
					b.key(t, "third-key")
					b.stays(t, time.Minute, false)
				})
			})
		}
	}
}

// What is missing here and there is drift, and too little to judge by is no reason.
func TestSameProject(t *testing.T) {
	for _, tt := range []struct {
		teams, goneTeams, people, gonePeople int
		strange                              bool
	}{
		{},
		{goneTeams: 2, gonePeople: 2},
		{teams: 1, goneTeams: 2},
		{teams: 3, goneTeams: 3},
		{teams: 2, goneTeams: 3, strange: true},
		{goneTeams: 3, strange: true},
		{teams: 10, people: 2, gonePeople: 3, strange: true},
		{teams: 10, people: 3, gonePeople: 3},
	} {
		t.Run(fmt.Sprint(tt), func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.record(t, tt.teams, tt.goneTeams, tt.people, tt.gonePeople)
				b.reconcile(t)
				b.stays(t, 30*time.Second, !tt.strange)
				b.wants(t, map[bool]string{true: v1alpha1.ReasonConnectionNotReady, false: v1alpha1.ReasonSynced}[tt.strange], "")
			})
		})
	}
}

// A new process that does not see yet what the one before it made, or whose first
// listings are wrong, does not take the project for another one for good.
func TestProjectIsRecognizedLater(t *testing.T) {
	t.Run("read lag", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.reconcile(t)
			time.Sleep(time.Minute)
			if err := b.sim.SetBehavior(func(s *consolesim.Behavior) { s.StaleReads = 10 * time.Second }); err != nil {
				t.Fatal(err)
			}
			b.record(t, 5, 0, 0, 0)
			b.Close()
			b.Reconciler = b.begin()
			for range 10 {
				b.reconcile(t)
				b.wants(t, v1alpha1.ReasonSynced, "")
			}
			b.stays(t, time.Minute, true)
		})
	})
	t.Run("wrong listings", func(t *testing.T) {
		inBubble(t, func(t *testing.T, b *bench) {
			b.record(t, 5, 0, 5, 0)
			fault := consolesim.Fault{Effect: consolesim.EffectNotJSON, ContentType: "application/json",
				Body: `{"message":"ok","data":[],"pagination":{"itemsPerPage":100,"pageNumber":1,"totalItems":0,"nextPage":null,"previousPage":null}}`}
			b.sim.Inject(fault)
			b.stays(t, time.Minute, false)
			b.wants(t, v1alpha1.ReasonConnectionNotReady, "lacks 5 of the 5 teams whose ids are recorded and 5 of the 5 people")
			b.sim.ClearFaults()
			for range 20 {
				b.reconcile(t)
			}
			b.stays(t, time.Minute, true)
			b.wants(t, v1alpha1.ReasonSynced, "")
		})
	})
}

// A console whose listings tell no ids is no other project for that.
func TestProjectWhoseListingsTellNoIDs(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		if err := b.sim.SetBehavior(func(s *consolesim.Behavior) { s.ListReturnsID = false }); err != nil {
			t.Fatal(err)
		}
		b.record(t, 5, 0, 0, 0)
		b.reconcile(t)
		b.stays(t, 2*time.Minute, true)
		b.wants(t, v1alpha1.ReasonSynced, "")
	})
}
