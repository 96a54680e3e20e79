package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// What the scenes apply beside the samples. Compilers is a team that the
// simulated console begins with; ada@example.com is protected by the samples.
const (
	compilersManifest = `
apiVersion: console-access.dev/v1alpha1
kind: Team
metadata:
  name: compilers
  namespace: default
spec:
  name: Compilers
  description: Parsers, optimisers and the language server
  members: [alan@example.com, grace@example.com]
  admins: [grace@example.com]
`
	adaManifest = `
apiVersion: console-access.dev/v1alpha1
kind: UserRole
metadata:
  name: ada
  namespace: default
spec:
  email: ada@example.com
  role: Member
`
	newcomer = "katherine@example.com"
)

// compilers is the manifest of the adopted team, with changes to its spec.
func compilers(changes map[string]any) (*unstructured.Unstructured, error) {
	objects, err := parseManifests([]byte(compilersManifest))
	if err != nil {
		return nil, err
	}
	changes["adoptionPolicy"] = string(v1alpha1.AdoptionAdopt)
	for field, value := range changes {
		if err := unstructured.SetNestedField(objects[0].Object, value, "spec", field); err != nil {
			return nil, fmt.Errorf("set %s: %w", field, err)
		}
	}
	return objects[0], nil
}

// awaitVerdict waits until the object of a manifest gives a reason for being
// Ready or not, tells it, and returns the object.
func (w *walk) awaitVerdict(ctx context.Context, manifest *unstructured.Unstructured, reason string) (object client.Object, err error) {
	name := nameOf(manifest)
	var ready metav1.Condition
	err = w.await(ctx, name+" to say "+reason, func(ctx context.Context) (bool, string, error) {
		if object, err = w.cluster.get(ctx, manifest); err != nil {
			return false, "", err
		}
		ready = readiness(object)
		return ready.Reason == reason, name + ": " + describe(ready), nil
	})
	if err == nil {
		w.say.detail("%s: %s", name, describe(ready))
	}
	return object, err
}

func describe(ready metav1.Condition) string {
	if ready.Type == "" {
		return "no condition yet"
	}
	return ready.Reason + " - " + ready.Message
}

// awaitAlike waits until the console holds what a manifest says.
func (w *walk) awaitAlike(ctx context.Context, manifest *unstructured.Unstructured) error {
	return w.await(ctx, "the console to hold what "+nameOf(manifest)+" says", func(ctx context.Context) (bool, string, error) {
		state, err := w.console.state(ctx)
		if err != nil {
			return false, "", err
		}
		differences := state.compare(manifest)
		return len(differences) == 0, strings.Join(differences, "; "), nil
	})
}

// awaitEvent waits until an object has an event for a reason, and tells it.
func (w *walk) awaitEvent(ctx context.Context, about client.Object, reason string) error {
	return w.await(ctx, "an event "+reason, func(ctx context.Context) (bool, string, error) {
		events, err := w.cluster.events(ctx, about, reason)
		if err != nil || len(events) == 0 {
			return false, "no such event", err
		}
		w.say.detail("event %s: %s", reason, events[len(events)-1].Message)
		return true, "", nil
	})
}

// noWrites checks that the current step has changed nothing in the console.
func (w *walk) noWrites(ctx context.Context) error {
	t, _, err := w.console.trafficSince(ctx, w.counted)
	if err == nil && t.writes > 0 {
		err = fmt.Errorf("expected no writes to the console, found %d", t.writes)
	}
	return err
}

func (w *walk) adopt(ctx context.Context) (string, error) {
	objects, err := parseManifests([]byte(compilersManifest))
	if err != nil {
		return "", err
	}
	if err := w.cluster.apply(ctx, objects...); err != nil {
		return "", err
	}
	if _, err := w.awaitVerdict(ctx, objects[0], v1alpha1.ReasonAlreadyExists); err != nil {
		return "", err
	}
	adopted, err := compilers(map[string]any{})
	if err != nil {
		return "", err
	}
	w.say.detail("applied again with adoptionPolicy: Adopt")
	if err := w.cluster.apply(ctx, adopted); err != nil {
		return "", err
	}
	object, err := w.awaitVerdict(ctx, adopted, v1alpha1.ReasonSynced)
	if err != nil {
		return "", err
	}
	if team := object.(*v1alpha1.Team); !team.Status.Adopted {
		return "", fmt.Errorf("expected status.adopted of %s to be true, found false", nameOf(adopted))
	}
	return "refused, then adopted without a write", w.noWrites(ctx)
}

func (w *walk) healDrift(ctx context.Context) (string, error) {
	manifest, err := compilers(map[string]any{})
	if err != nil {
		return "", err
	}
	object, err := w.cluster.get(ctx, manifest)
	if err != nil {
		return "", err
	}
	change := map[string]any{"members": []string{"edsger@example.com", "grace@example.com"}, "description": "Changed by hand"}
	if err := w.console.call(ctx, http.MethodPut, "/_sim/teams/"+object.(*v1alpha1.Team).Status.ID, change, nil); err != nil {
		return "", err
	}
	w.say.detail("by hand: %s", asJSON(change))
	state, err := w.console.state(ctx)
	if err != nil {
		return "", err
	}
	if len(state.compare(manifest)) == 0 {
		return "", errors.New("expected the change by hand to show in the console, found none")
	}
	// It would be found when the drift interval has passed; here it is asked for.
	if err := w.cluster.requestCheck(ctx, manifest); err != nil {
		return "", err
	}
	for _, reason := range []string{v1alpha1.ReasonDriftDetected, "Updated"} {
		if err := w.awaitEvent(ctx, object, reason); err != nil {
			return "", err
		}
	}
	if err := w.awaitAlike(ctx, manifest); err != nil {
		return "", err
	}
	_, err = w.awaitVerdict(ctx, manifest, v1alpha1.ReasonSynced)
	return "drift found, told and healed", err
}

func (w *walk) protect(ctx context.Context) (string, error) {
	objects, err := parseManifests([]byte(adaManifest))
	if err != nil {
		return "", err
	}
	before, err := w.console.state(ctx)
	if err != nil {
		return "", err
	}
	if err := w.cluster.apply(ctx, objects...); err != nil {
		return "", err
	}
	if _, err := w.awaitVerdict(ctx, objects[0], v1alpha1.ReasonProtectedUser); err != nil {
		return "", err
	}
	after, err := w.console.state(ctx)
	if err != nil {
		return "", err
	}
	const email = "ada@example.com"
	if !sameJSON(before.user(email), after.user(email)) {
		return "", fmt.Errorf("expected %s unchanged in the console, found %s, before %s", email, asJSON(after.user(email)), asJSON(before.user(email)))
	}
	return "refused; still " + fmt.Sprint(after.user(email)["role"]), w.noWrites(ctx)
}

func (w *walk) awaitPerson(ctx context.Context) (string, error) {
	members := []any{"alan@example.com", "grace@example.com"}
	present := map[string]any{"description": "Compilers and debuggers", "members": members}
	without, err := compilers(present)
	if err != nil {
		return "", err
	}
	with, err := compilers(map[string]any{"description": present["description"], "members": append(members, newcomer)})
	if err != nil {
		return "", err
	}
	if err := w.cluster.apply(ctx, with); err != nil {
		return "", err
	}
	if _, err := w.awaitVerdict(ctx, with, v1alpha1.ReasonUserNotFound); err != nil {
		return "", err
	}
	if err := w.awaitAlike(ctx, without); err != nil {
		return "", fmt.Errorf("all but the missing person: %w", err)
	}
	w.say.detail("%s joins the project", newcomer)
	person := map[string]string{"role": "Member", "firstName": "Katherine", "lastName": "Johnson"}
	if err := w.console.call(ctx, http.MethodPut, "/_sim/users/"+newcomer, person, nil); err != nil {
		return "", err
	}
	for _, sample := range w.samples {
		if sample.GetKind() == "ConsoleConnection" {
			if err := w.cluster.requestCheck(ctx, sample); err != nil {
				return "", err
			}
		}
	}
	if err := w.awaitAlike(ctx, with); err != nil {
		return "", err
	}
	_, err = w.awaitVerdict(ctx, with, v1alpha1.ReasonSynced)
	return "the rest applied, then added", err
}

// deleteTeam deletes the first sample Team whose team goes with it.
func (w *walk) deleteTeam(ctx context.Context) (string, error) {
	for _, sample := range w.samples {
		policy, _, _ := unstructured.NestedString(sample.Object, "spec", "deletionPolicy")
		if sample.GetKind() != "Team" || policy == string(v1alpha1.TeamOrphan) {
			continue
		}
		object, err := w.cluster.get(ctx, sample)
		if err != nil {
			return "", err
		}
		team := object.(*v1alpha1.Team)
		if err := w.cluster.delete(ctx, sample); err != nil {
			return "", err
		}
		if err := w.awaitGone(ctx, sample); err != nil {
			return "", err
		}
		state, err := w.console.state(ctx)
		if err != nil {
			return "", err
		}
		if left := find(state.Teams, "id", team.Status.ID); left != nil {
			return "", fmt.Errorf("expected team %s to be gone from the console, found %s", team.Status.ID, asJSON(left))
		}
		w.say.detail("%s is gone, and the team %q, id %s, with it", nameOf(sample), team.ConsoleName(), team.Status.ID)
		return "gone from both", nil
	}
	return "", errors.New("expected a Team without deletionPolicy: Orphan among the samples, found none")
}

func (w *walk) awaitGone(ctx context.Context, manifest *unstructured.Unstructured) error {
	return w.await(ctx, nameOf(manifest)+" to be gone", func(ctx context.Context) (bool, string, error) {
		object, err := w.cluster.get(ctx, manifest)
		if apierrors.IsNotFound(err) {
			return true, "", nil
		}
		if err != nil {
			return false, "", err
		}
		return false, describe(readiness(object)), nil
	})
}

// restore applies the samples again and takes away what the scenes added.
func (w *walk) restore(ctx context.Context) (string, error) {
	extras, err := parseManifests([]byte(compilersManifest + "---" + adaManifest))
	if err != nil {
		return "", err
	}
	for _, extra := range extras {
		if err := w.cluster.delete(ctx, extra); err != nil {
			return "", err
		}
		if err := w.awaitGone(ctx, extra); err != nil {
			return "", err
		}
	}
	state, err := w.console.state(ctx)
	if err != nil {
		return "", err
	}
	if state.team("Compilers") == nil {
		return "", errors.New("expected the adopted team Compilers to stay in the console, found it gone")
	}
	w.say.detail("Team compilers is deleted; its team, which was there before, stays")
	if err := w.console.call(ctx, http.MethodDelete, "/_sim/users/"+newcomer, nil, nil); err != nil {
		return "", err
	}
	if _, err := w.applySamples(ctx); err != nil {
		return "", err
	}
	return w.compareSamples(ctx)
}
