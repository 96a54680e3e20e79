package command

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/plugin/manifest"
	"github.com/console-access/console-access-operator/internal/plugin/plan"
	"github.com/console-access/console-access-operator/internal/plugin/validate"
)

// admit returns the manifests as objects, unless the API server would refuse one:
// then the error has its words. A connection among them is the one to plan for.
func admit(ctx context.Context, manifests []manifest.Manifest, s *plan.State) ([]client.Object, error) {
	judge, err := validate.New()
	if err != nil {
		return nil, err
	}
	var objects []client.Object
	var refusals []string
	for _, m := range manifests {
		obj, err := judged(ctx, judge, m, s)
		if err != nil {
			refusals = append(refusals, fmt.Sprintf("%s: %v", m.Source, err))
			continue
		}
		objects = append(objects, obj)
	}
	if len(refusals) > 0 {
		return nil, fmt.Errorf("Kubernetes would refuse %d of %d manifests:\n%s", len(refusals), len(manifests), strings.Join(refusals, "\n"))
	}
	for _, obj := range objects {
		if c, ok := obj.(*v1alpha1.ConsoleConnection); ok && c.Name == s.Connection.Name {
			s.Connection = c
		}
	}
	return objects, nil
}

// judged returns a manifest as an object, or the API server's refusal.
func judged(ctx context.Context, judge *validate.Validator, m manifest.Manifest, s *plan.State) (client.Object, error) {
	applied := m.DeepCopy()
	if m.ConnectionName() != "" && applied.GetNamespace() == "" {
		applied.SetNamespace(cmp.Or(s.Namespace, metav1.NamespaceDefault))
	}
	old, err := inCluster(applied, s)
	if err != nil {
		return nil, err
	}
	if old == nil {
		applied, err = judge.Create(ctx, applied)
	} else {
		applied, err = judge.Update(ctx, applied, old)
	}
	if err != nil {
		return nil, err
	}
	unstructured.RemoveNestedField(applied.Object, "status")
	applied.SetNamespace(m.GetNamespace())
	return manifest.Manifest{Unstructured: applied, Source: m.Source}.Typed()
}

// inCluster returns the object that a manifest would change, or nil.
func inCluster(m *unstructured.Unstructured, s *plan.State) (*unstructured.Unstructured, error) {
	var old client.Object
	if found, ok := s.Cluster[plan.Key{Kind: m.GetKind(), Namespace: m.GetNamespace(), Name: m.GetName()}]; ok {
		old = found
	} else if m.GetKind() == manifest.KindOf(s.Connection) && m.GetName() == s.Connection.Name && s.Connection.UID != "" {
		old = s.Connection
	}
	if old == nil {
		return nil, nil
	}
	text, err := json.Marshal(old)
	if err != nil {
		return nil, fmt.Errorf("encode %s %s of the cluster: %w", m.GetKind(), m.GetName(), err)
	}
	out := map[string]any{}
	if err := utiljson.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("decode %s %s of the cluster: %w", m.GetKind(), m.GetName(), err)
	}
	return &unstructured.Unstructured{Object: out}, nil
}

// refused returns the namespaces that the connection does not admit, as far as
// that is known: somebody may not be permitted to read namespaces.
func refused(ctx context.Context, r *reached, s *plan.State, objects []client.Object) map[string]bool {
	out := map[string]bool{}
	if r.cluster == nil {
		return out
	}
	keys := make([]plan.Key, 0, len(objects)+len(s.Cluster))
	for _, obj := range objects {
		keys = append(keys, s.KeyOf(obj))
	}
	for key := range s.Cluster {
		keys = append(keys, key)
	}
	seen := map[string]bool{}
	for _, key := range keys {
		if seen[key.Namespace] || key.Kind == manifest.KindOf(s.Connection) {
			continue
		}
		seen[key.Namespace] = true
		if ok, err := access.Admits(ctx, r.cluster, s.Connection, key.Namespace); err == nil && !ok {
			out[key.Namespace] = true
		}
	}
	return out
}
