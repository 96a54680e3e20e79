package harness

import (
	"encoding/json"
	"fmt"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Frozen notes how objects are now, and returns a check that fails when any of
// them has been written since.
func (e *Env) Frozen(objects ...client.Object) func() error {
	e.T.Helper()
	was := make([]client.Object, len(objects))
	for i, obj := range objects {
		e.Refresh(obj)
		was[i] = obj.DeepCopyObject().(client.Object)
	}
	return func() error {
		for i, obj := range objects {
			if e.Refresh(obj); obj.GetResourceVersion() != was[i].GetResourceVersion() {
				return fmt.Errorf("%T %s was written:\n%s\nis now\n%s", obj, obj.GetName(), shown(was[i]), shown(obj))
			}
		}
		return nil
	}
}

func shown(obj client.Object) string {
	obj = obj.DeepCopyObject().(client.Object)
	obj.SetManagedFields(nil)
	text, _ := json.Marshal(obj)
	return string(text)
}
