package gitops

import (
	"encoding/json"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/jsonmergepatch"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/test/harness"
)

// TestNoDifferences: once the operator has made them Ready, applied objects are
// still what was applied, in each way in which Argo CD and kubectl compare them.
// Nothing has to be ignored.
func TestNoDifferences(t *testing.T) {
	e := harness.Alone(t, harness.Options{Unconnected: true})
	// Named default, which the samples rely on.
	desired := e.Samples("default")
	bare := &unstructured.Unstructured{}
	bare.SetAPIVersion(desired[0].GetAPIVersion())
	bare.SetKind("Team")
	bare.SetName("bare")
	e.Adopt(bare)
	desired = append(desired, bare)

	apply := map[string]func(*unstructured.Unstructured){
		"server-side": func(obj *unstructured.Unstructured) { serverSide(e, obj) },
		"client-side": func(obj *unstructured.Unstructured) { clientSide(e, obj) },
	}
	for _, way := range []string{"server-side", "client-side"} {
		for _, obj := range desired {
			apply[way](obj)
		}
		e.WaitReady(allTyped(desired)...)
		e.Compared(1)
		for _, obj := range desired {
			live := e.Live(obj)
			if patch := threeWay(t, obj, live); patch != "{}" {
				t.Errorf("%s %s, applied %s, differs: %s", obj.GetKind(), obj.GetName(), way, patch)
			}
			if way == "server-side" {
				wantSame(t, live, serverSide(e, obj, client.DryRunAll))
			}
		}
		wantNoticed(e, named(t, desired, "Team", "growth"))
		e.Delete(allTyped(desired)...)
		e.WaitGone(allTyped(desired)...)
		// Its deletionPolicy is Orphan, and a team that is there is not taken over.
		e.Sim.RemoveTeam(e.TeamNamed("platform").ID)
	}
}

// wantNoticed: a change of the manifest is a difference.
func wantNoticed(e *harness.Env, obj *unstructured.Unstructured) {
	e.T.Helper()
	changed := obj.DeepCopy()
	set(e.T, changed, "Another", "spec", "description")
	if patch := threeWay(e.T, changed, e.Live(obj)); patch != `{"spec":{"description":"Another"}}` {
		e.T.Errorf("a changed description makes this difference: %s", patch)
	}
	dry := serverSide(e, changed, client.DryRunAll)
	if got, _, _ := unstructured.NestedString(dry.Object, "spec", "description"); got != "Another" {
		e.T.Errorf("a changed description is %q in a dry run", got)
	}
}

// serverSide applies an object as Argo CD does with ServerSideApply=true, and
// compares it so with ServerSideDiff=true: in a dry run.
func serverSide(e *harness.Env, obj *unstructured.Unstructured, options ...client.PatchOption) *unstructured.Unstructured {
	e.T.Helper()
	text, err := obj.MarshalJSON()
	if err != nil {
		e.T.Fatal(err)
	}
	answer := obj.DeepCopy()
	options = append(options, client.FieldOwner("argocd-controller"), client.ForceOwnership)
	if err := e.Client().Patch(e.T.Context(), answer, client.RawPatch(types.ApplyPatchType, text), options...); err != nil {
		e.T.Fatalf("apply %s %s: %v", obj.GetKind(), obj.GetName(), err)
	}
	return answer
}

// clientSide applies a new object as kubectl does, and Argo CD by default.
func clientSide(e *harness.Env, obj *unstructured.Unstructured) {
	e.T.Helper()
	if err := e.Client().Create(e.T.Context(), annotated(e.T, obj), client.FieldOwner("argocd-controller")); err != nil {
		e.T.Fatalf("create %s %s: %v", obj.GetKind(), obj.GetName(), err)
	}
}

// annotated is an object with the annotation in which kubectl notes what it has
// applied.
func annotated(t testing.TB, obj *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	text, err := obj.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	noted := obj.DeepCopy()
	annotations := noted.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[corev1.LastAppliedConfigAnnotation] = string(text)
	noted.SetAnnotations(annotations)
	return noted
}

// threeWay is the patch that kubectl and Argo CD make of what was applied last,
// what is to be applied and what is there. What was never noted is taken for
// what is to be applied, as Argo CD does.
func threeWay(t testing.TB, desired, live *unstructured.Unstructured) string {
	t.Helper()
	modified := desired
	original, noted := live.GetAnnotations()[corev1.LastAppliedConfigAnnotation]
	if noted {
		modified = desired.DeepCopy()
		annotations := desired.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[corev1.LastAppliedConfigAnnotation] = original
		modified.SetAnnotations(annotations)
	}
	text := func(obj *unstructured.Unstructured) []byte {
		text, err := obj.MarshalJSON()
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	if !noted {
		original = string(text(desired))
	}
	patch, err := jsonmergepatch.CreateThreeWayJSONMergePatch([]byte(original), text(modified), text(live))
	if err != nil {
		t.Fatal(err)
	}
	return string(patch)
}

// wantSame fails the test unless two readings of an object are the same but for
// the status, which the operator writes at any time.
func wantSame(t *testing.T, live, dry *unstructured.Unstructured) {
	t.Helper()
	text := func(obj *unstructured.Unstructured) string {
		obj = obj.DeepCopy()
		unstructured.RemoveNestedField(obj.Object, "status")
		obj.SetResourceVersion("")
		obj.SetManagedFields(slices.DeleteFunc(obj.GetManagedFields(), func(f metav1.ManagedFieldsEntry) bool { return f.Subresource == "status" }))
		text, err := json.MarshalIndent(obj.Object, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if was, is := text(live), text(dry); was != is {
		t.Errorf("%s %s would be changed from\n%s\nto\n%s", live.GetKind(), live.GetName(), was, is)
	}
}
