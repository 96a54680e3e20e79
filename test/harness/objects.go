package harness

import (
	"errors"
	"io"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// Team returns a Team of that name for the test's connection, not yet created.
func (e *Env) Team(name string, spec v1alpha1.TeamSpec) *v1alpha1.Team {
	if spec.ConnectionRef.Name == "" {
		spec.ConnectionRef.Name = e.connectionName()
	}
	return &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Namespace: e.Namespace, Name: name}, Spec: spec}
}

// UserRole returns a UserRole for the test's connection, not yet created, that
// is named after the person.
func (e *Env) UserRole(email, role string, change ...func(*v1alpha1.UserRoleSpec)) *v1alpha1.UserRole {
	name, _, _ := strings.Cut(email, "@")
	u := &v1alpha1.UserRole{ObjectMeta: metav1.ObjectMeta{Namespace: e.Namespace, Name: strings.ToLower(name)}}
	u.Spec.ConnectionRef.Name = e.connectionName()
	u.Spec.Email, u.Spec.Role = v1alpha1.EmailAddress(email), v1alpha1.RoleName(role)
	for _, f := range change {
		f(&u.Spec)
	}
	return u
}

// connectionName is also that of a connection which the test has yet to create.
func (e *Env) connectionName() string {
	if e.Connection != nil {
		return e.Connection.Name
	}
	return e.Namespace
}

// Client is a client of the API server, without a cache. Objects made with it
// are no operator's; see [Env.Create].
func (e *Env) Client() client.Client { return e.cluster.client }

// Config is how to reach the API server.
func (e *Env) Config() *rest.Config { return rest.CopyConfig(e.cluster.config) }

// Create creates objects for the test's operator.
func (e *Env) Create(objects ...client.Object) {
	e.T.Helper()
	for _, obj := range objects {
		if err := e.TryCreate(obj); err != nil {
			e.T.Fatalf("create %T %s: %v", obj, obj.GetName(), err)
		}
	}
}

// TryCreate is Create for an object that may be refused.
func (e *Env) TryCreate(obj client.Object) error {
	e.Adopt(obj)
	return e.cluster.client.Create(e.T.Context(), obj)
}

// Adopt makes an object that is yet to be created one of the test's operator: by
// its label and, unless it names one, its namespace.
func (e *Env) Adopt(obj client.Object) {
	labels := obj.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[operatorLabel] = e.Operator.Namespace
	obj.SetLabels(labels)
	_, typed := obj.(*v1alpha1.ConsoleConnection)
	if typed || obj.GetObjectKind().GroupVersionKind().Kind == "ConsoleConnection" {
		e.connections = append(e.connections, obj.GetName())
	} else if obj.GetNamespace() == "" {
		obj.SetNamespace(e.Namespace)
	}
}

// Apply applies YAML documents as kubectl apply --server-side does. In it
// $CONNECTION stands for the name of the test's connection.
func (e *Env) Apply(manifest string) {
	e.T.Helper()
	if err := e.TryApply(manifest); err != nil {
		e.T.Fatalf("apply: %v", err)
	}
}

// TryApply is Apply for a manifest that may be refused.
func (e *Env) TryApply(manifest string) error {
	e.T.Helper()
	manifest = strings.ReplaceAll(manifest, "$CONNECTION", e.connectionName())
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(manifest), 4096)
	for {
		obj := &unstructured.Unstructured{}
		if err := decoder.Decode(&obj.Object); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return err
		}
		e.Adopt(obj)
		err := e.cluster.client.Apply(e.T.Context(), client.ApplyConfigurationFromUnstructured(obj), client.FieldOwner("test"), client.ForceOwnership)
		if err != nil {
			return err
		}
	}
}

// Update changes an object, however often somebody else does meanwhile, and
// leaves it as the API server answered.
func Update[T client.Object](e *Env, obj T, change func(T)) {
	e.T.Helper()
	if err := TryUpdate(e, obj, change); err != nil {
		e.T.Fatalf("update %T %s: %v", obj, obj.GetName(), err)
	}
}

// TryUpdate is Update for a change that may be refused.
func TryUpdate[T client.Object](e *Env, obj T, change func(T)) error {
	e.T.Helper()
	for {
		if err := e.cluster.client.Get(e.T.Context(), client.ObjectKeyFromObject(obj), obj); err != nil {
			return err
		}
		change(obj)
		if err := e.cluster.client.Update(e.T.Context(), obj); !apierrors.IsConflict(err) {
			return err
		}
	}
}

// SetStatus changes the status of an object, as the operator would.
func SetStatus[T client.Object](e *Env, obj T, change func(T)) {
	e.T.Helper()
	e.Refresh(obj)
	before := obj.DeepCopyObject().(client.Object)
	change(obj)
	if err := e.cluster.client.Status().Patch(e.T.Context(), obj, client.MergeFrom(before)); err != nil {
		e.T.Fatalf("set the status of %T %s: %v", obj, obj.GetName(), err)
	}
}

// Annotate sets an annotation.
func (e *Env) Annotate(obj client.Object, name, value string) {
	e.T.Helper()
	Update(e, obj, func(obj client.Object) {
		annotations := obj.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[name] = value
		obj.SetAnnotations(annotations)
	})
}

// Delete deletes objects, without waiting for their end.
func (e *Env) Delete(objects ...client.Object) {
	e.T.Helper()
	for _, obj := range objects {
		if err := e.cluster.client.Delete(e.T.Context(), obj); err != nil {
			e.T.Fatalf("delete %T %s: %v", obj, obj.GetName(), err)
		}
	}
}

// Refresh reads an object again, and reports whether it still exists.
func (e *Env) Refresh(obj client.Object) bool {
	e.T.Helper()
	err := e.cluster.client.Get(e.T.Context(), client.ObjectKeyFromObject(obj), obj)
	if err != nil && !apierrors.IsNotFound(err) {
		e.T.Fatalf("read %T %s: %v", obj, obj.GetName(), err)
	}
	return err == nil
}

// Live returns what the API server has of an object now, with all its fields.
func (e *Env) Live(obj *unstructured.Unstructured) *unstructured.Unstructured {
	e.T.Helper()
	live := &unstructured.Unstructured{}
	live.SetGroupVersionKind(obj.GroupVersionKind())
	if err := e.cluster.client.Get(e.T.Context(), client.ObjectKeyFromObject(obj), live); err != nil {
		e.T.Fatalf("read %s %s: %v", obj.GetKind(), obj.GetName(), err)
	}
	return live
}

// SetKey puts another API key into a Secret that [Env.CreateSecret] made.
func (e *Env) SetKey(name, key string) {
	e.T.Helper()
	e.conceal(key)
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: e.Operator.Namespace, Name: name}}
	Update(e, secret, func(s *corev1.Secret) { s.Data = map[string][]byte{"apiKey": []byte(key)} })
}
