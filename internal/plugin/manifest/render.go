// Package manifest reads and writes the operator's objects as YAML and JSON.
package manifest

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// separator stands between YAML documents.
const separator = "---\n"

// KindOf is the kind of one of the operator's objects, which need not name it
// itself.
func KindOf(obj client.Object) string {
	switch obj.(type) {
	case *v1alpha1.ConsoleConnection:
		return "ConsoleConnection"
	case *v1alpha1.Team:
		return "Team"
	case *v1alpha1.UserRole:
		return "UserRole"
	}
	return obj.GetObjectKind().GroupVersionKind().Kind
}

// applicable is the object as somebody would write it: its kind, name and spec,
// and nothing that the cluster adds.
func applicable(obj client.Object) (map[string]any, error) {
	text, err := json.Marshal(obj)
	whole := struct{ Spec map[string]any }{}
	if err == nil {
		err = json.Unmarshal(text, &whole)
	}
	if err != nil {
		return nil, fmt.Errorf("encode %s %s: %w", KindOf(obj), obj.GetName(), err)
	}
	maps.DeleteFunc(whole.Spec, func(_ string, value any) bool {
		section, ok := value.(map[string]any)
		return ok && len(section) == 0 // a list that is empty says something
	})
	metadata := map[string]any{"name": obj.GetName()}
	if obj.GetNamespace() != "" {
		metadata["namespace"] = obj.GetNamespace()
	}
	return map[string]any{
		"apiVersion": v1alpha1.GroupVersion.String(),
		"kind":       KindOf(obj),
		"metadata":   metadata,
		"spec":       whole.Spec,
	}, nil
}

// YAML writes objects as documents of one stream.
func YAML(objects []client.Object) ([]byte, error) {
	var out bytes.Buffer
	for i, obj := range objects {
		document, err := applicable(obj)
		if err != nil {
			return nil, err
		}
		text, err := yaml.Marshal(document)
		if err != nil {
			return nil, fmt.Errorf("encode %s %s: %w", KindOf(obj), obj.GetName(), err)
		}
		if i > 0 {
			out.WriteString(separator)
		}
		out.Write(text)
	}
	return out.Bytes(), nil
}

// JSON writes objects as one List, as kubectl get -o json does.
func JSON(objects []client.Object) ([]byte, error) {
	items := make([]any, 0, len(objects))
	for _, obj := range objects {
		document, err := applicable(obj)
		if err != nil {
			return nil, err
		}
		items = append(items, document)
	}
	text, err := json.MarshalIndent(map[string]any{"apiVersion": "v1", "kind": "List", "items": items}, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("encode the List: %w", err)
	}
	return append(text, '\n'), nil
}
