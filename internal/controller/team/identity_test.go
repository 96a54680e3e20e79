package team

import (
	"context"
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/controller/access"
)

// restored has an object, as a backup without status has it, take the place of the
// one there is, which is gone without a call to the console. A new process begins.
func (b *bench) restored(t *testing.T, name string, change func(*v1alpha1.Team)) {
	t.Helper()
	was := b.get(t, name)
	obj := &v1alpha1.Team{Spec: was.Spec}
	obj.Namespace, obj.Name, obj.Annotations, obj.Finalizers = was.Namespace, was.Name, was.Annotations, was.Finalizers
	obj.UID, obj.Generation = types.UID("restored "+name), 1
	was.Finalizers = nil
	if err := b.Client.Update(t.Context(), was); err != nil {
		t.Fatal(err)
	}
	if err := b.Client.Delete(t.Context(), was); err != nil {
		t.Fatal(err)
	}
	if change != nil {
		change(obj)
	}
	b.apply(t, obj)
	b.Memory, b.plans = &access.Memory{}, plans{}
}

// A Team that is restored without its status stands for the same team, without any
// call, and deletes it or leaves it as before.
func TestRestored(t *testing.T) {
	tests := []struct {
		name    string
		adopted bool
		edit    func(*v1alpha1.Team)
	}{
		{"created", false, nil},
		{"adopted", true, nil},
		{"renamed", false, func(t *v1alpha1.Team) { t.Spec.Name = "Linkers" }},
		{"adopted and renamed", true, func(t *v1alpha1.Team) { t.Spec.Name = "Linkers" }},
		{"edited", false, func(t *v1alpha1.Team) { t.Spec.Members = emails(ada) }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				if tt.adopted {
					b.sim.PutTeam(consolesim.Team{Name: "Growth"})
				}
				b.apply(t, object("team", func(t *v1alpha1.Team) {
					t.Spec.Name = "Growth"
					if tt.adopted {
						t.Spec.AdoptionPolicy = v1alpha1.AdoptionAdopt
					}
				}))
				b.reconcile(t, "team")
				if tt.edit != nil {
					b.edit(t, "team", tt.edit)
					b.reconcile(t, "team")
				}
				was, writes := b.get(t, "team"), b.writes()
				b.restored(t, "team", nil)
				b.reconcile(t, "team")
				b.owns(t, "team", was.ConsoleName())
				if got := b.get(t, "team").Status; got.ID != was.Status.ID || got.Adopted != tt.adopted {
					t.Errorf("it stands for %s, adopted %v; want %s, %v", got.ID, got.Adopted, was.Status.ID, tt.adopted)
				}
				// Restored once more, it is still known.
				b.restored(t, "team", func(t *v1alpha1.Team) { t.UID = "restored twice" })
				b.reconcile(t, "team")
				b.owns(t, "team", was.ConsoleName())
				if n := b.writes() - writes; n != 0 {
					t.Errorf("%d writes, want none", n)
				}
			})
		})
	}
}

// The annotation is believed only where everything agrees.
func TestNotRestored(t *testing.T) {
	tests := []struct {
		name   string
		before func(t *testing.T, b *bench)
		change func(*v1alpha1.Team)
		want   string
	}{
		{"another namespace", nil, func(t *v1alpha1.Team) { t.Namespace = "elsewhere" }, v1alpha1.ReasonAlreadyExists},
		{"another object", nil, func(t *v1alpha1.Team) { t.Name = "copy" }, v1alpha1.ReasonAlreadyExists},
		{"another project", func(_ *testing.T, b *bench) {
			link := b.link()
			link.KeyDigest = "auto-2"
			b.Links.Set("default", link)
		}, nil, v1alpha1.ReasonAlreadyExists},
		{"another name", nil, func(t *v1alpha1.Team) { t.Spec.Name = "Linkers" }, v1alpha1.ReasonSynced},
		{"no annotation", nil, func(t *v1alpha1.Team) { t.Annotations = nil }, v1alpha1.ReasonAlreadyExists},
		{"not JSON", nil, func(t *v1alpha1.Team) { t.Annotations[v1alpha1.IdentityAnnotation] = "{" }, v1alpha1.ReasonAlreadyExists},
		{"another Team stands for it", func(t *testing.T, b *bench) {
			id := b.get(t, "team").Status.ID
			b.apply(t, object("other", func(t *v1alpha1.Team) { t.Spec.Name, t.Status.ID = "Others", id }))
		}, nil, v1alpha1.ReasonAlreadyExists},
		{"two teams of the name", func(_ *testing.T, b *bench) { b.sim.PutTeam(consolesim.Team{Name: "Growth"}) }, nil, v1alpha1.ReasonAlreadyExists},
		{"its own object", nil, func(t *v1alpha1.Team) { t.UID = "team" }, v1alpha1.ReasonAlreadyExists},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			inBubble(t, func(t *testing.T, b *bench) {
				b.behave(t, func(s *consolesim.Behavior) { s.DuplicateTeamNames = consolesim.NamesAllow })
				b.apply(t, object("team", func(t *v1alpha1.Team) { t.Spec.Name = "Growth" }))
				b.reconcile(t, "team")
				id := b.get(t, "team").Status.ID
				if tt.before != nil {
					tt.before(t, b)
					b.list(t)
				}
				name := "team"
				b.restored(t, "team", func(t *v1alpha1.Team) {
					if tt.change != nil {
						tt.change(t)
					}
					name = t.Namespace + "/" + t.Name
				})
				b.reconcile(t, name)
				b.wants(t, name, tt.want)
				if got := b.get(t, name).Status.ID; got == id {
					t.Error("it took the team over")
				}
			})
		})
	}
}

// A Team that never had the team it asks for says nothing of it in a backup.
func TestIdentityOfWhatAlreadyExists(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.sim.PutTeam(consolesim.Team{Name: "Growth"})
		b.apply(t, object("team", func(t *v1alpha1.Team) { t.Spec.Name = "Growth" }))
		b.reconcile(t, "team")
		if got := b.get(t, "team"); got.Annotations[v1alpha1.IdentityAnnotation] != "" || len(got.Finalizers) == 0 {
			t.Errorf("its annotations are %v, finalizers %v", got.Annotations, got.Finalizers)
		}
		b.restored(t, "team", nil)
		b.reconcile(t, "team")
		b.wants(t, "team", v1alpha1.ReasonAlreadyExists)
	})
}

// The identity costs no write of its own: it comes with the finalizer. Only a rename
// needs one more.
func TestIdentityCostsNoWrite(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		patches := 0
		b.Client = interceptor.NewClient(b.Client.(client.WithWatch), interceptor.Funcs{
			Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, p client.Patch, o ...client.PatchOption) error {
				patches++
				return c.Patch(ctx, obj, p, o...)
			},
		})
		steps := []struct {
			name string
			do   func()
			want int
		}{
			{"created", func() { b.apply(t, object("team", func(t *v1alpha1.Team) { t.Spec.Name = "Growth" })) }, 1},
			{"edited", func() { b.edit(t, "team", func(t *v1alpha1.Team) { t.Spec.Members = emails(ada) }) }, 1},
			{"renamed", func() { b.rename(t, "team", "Linkers") }, 2},
			{"renamed again", func() { b.rename(t, "team", "Parsers") }, 2},
			{"restarted", func() { b.Memory, b.plans = &access.Memory{}, plans{} }, 2},
		}
		for _, step := range steps {
			step.do()
			b.reconcile(t, "team")
			if patches != step.want {
				t.Errorf("%s: %d writes beside the status in all, want %d", step.name, patches, step.want)
			}
		}
	})
}
