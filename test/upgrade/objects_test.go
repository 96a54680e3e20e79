package upgrade

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/test/harness"
)

// read returns a file of the former version.
func read(t *testing.T, name string) []byte {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../..", filepath.FromSlash(former), "..", name))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// loadConsole gives the console what it held when the former version ended.
func loadConsole(e *harness.Env) {
	e.T.Helper()
	var state consolesim.State
	if err := json.Unmarshal(read(e.T, "console.json"), &state); err != nil {
		e.T.Fatal(err)
	}
	if err := e.Sim.Load(state); err != nil {
		e.T.Fatal(err)
	}
}

// create creates an object for the test's operator, with its status.
func create(e *harness.Env, obj *unstructured.Unstructured) {
	e.T.Helper()
	status, has := obj.Object["status"]
	e.Create(obj)
	if !has {
		return
	}
	obj.Object["status"] = status
	if err := e.Client().Status().Update(e.T.Context(), obj); err != nil {
		e.T.Fatalf("write the status of %s %s: %v", obj.GetKind(), obj.GetName(), err)
	}
}

// inForce waits until the API server goes by the current definitions: until it
// refuses an object that the former ones admit.
func inForce(e *harness.Env, odd *unstructured.Unstructured) {
	e.T.Helper()
	e.WaitUntil("wait for the current definitions", func() bool { return tryOut(e, odd) != nil })
}

// tryOut asks the API server for its opinion of a new object.
func tryOut(e *harness.Env, obj *unstructured.Unstructured) error {
	again := obj.DeepCopy()
	again.Object["metadata"] = map[string]any{"namespace": obj.GetNamespace(), "generateName": "tried-"}
	return e.Client().Create(e.T.Context(), again, client.DryRunAll)
}

// reason is that of an object's condition Ready, as it was recorded.
func reason(t *testing.T, obj client.Object) string {
	t.Helper()
	c := harness.Ready(obj)
	if c.Reason == "" || c.Status == metav1.ConditionUnknown {
		t.Fatalf("%T %s was recorded without the condition Ready", obj, obj.GetName())
	}
	return c.Reason
}

// unset returns the fields of a schema that none of the values has.
func unset(field string, s *schema, values ...any) (fields []string) {
	if len(values) == 0 {
		return []string{field}
	}
	for name, property := range s.Properties {
		var within []any
		for _, v := range values {
			if value, ok := v.(map[string]any)[name]; ok {
				within = append(within, value)
			}
		}
		fields = append(fields, unset(child(field, name), property, within...)...)
	}
	if s.Items != nil {
		var within []any
		for _, v := range values {
			within = append(within, v.([]any)...)
		}
		fields = append(fields, unset(field+"[]", s.Items, within...)...)
	}
	return fields
}
