package histories

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// A kube is the Kubernetes API, as far as the operator uses it: optimistic
// locking, merge patches, a status apart, finalizers and generations. Objects
// in it are never changed in place. Controller-runtime's fake client takes ten
// times as long for a patch, and counts no generations.
type kube struct {
	w       *world
	version int
	objects map[objectKey]client.Object
	// outageUntil is the end of the time in which it does not answer.
	outageUntil time.Duration
}

type objectKey struct {
	kind string
	types.NamespacedName
}

func newKube(w *world) *kube { return &kube{w: w, objects: map[objectKey]client.Object{}} }

func kindOf(obj any) string {
	switch obj.(type) {
	case *v1alpha1.Team, *v1alpha1.TeamList:
		return "Team"
	case *v1alpha1.UserRole, *v1alpha1.UserRoleList:
		return "UserRole"
	case *v1alpha1.ConsoleConnection, *v1alpha1.ConsoleConnectionList:
		return "ConsoleConnection"
	case *corev1.Secret, *metav1.PartialObjectMetadata:
		return "Secret" // of which alone there is a metadata-only cache
	case *corev1.ConfigMap:
		return "ConfigMap"
	case *corev1.Namespace:
		return "Namespace"
	}
	panic(fmt.Sprintf("no such kind: %T", obj))
}

func keyOf(obj client.Object) objectKey {
	return objectKey{kindOf(obj), client.ObjectKeyFromObject(obj)}
}

// assign copies an object into another one of its kind.
func assign(to, from client.Object) {
	switch to := to.(type) {
	case *v1alpha1.Team:
		from.(*v1alpha1.Team).DeepCopyInto(to)
	case *v1alpha1.UserRole:
		from.(*v1alpha1.UserRole).DeepCopyInto(to)
	case *v1alpha1.ConsoleConnection:
		from.(*v1alpha1.ConsoleConnection).DeepCopyInto(to)
	case *corev1.Secret:
		from.(*corev1.Secret).DeepCopyInto(to)
	case *metav1.PartialObjectMetadata:
		from.(*corev1.Secret).ObjectMeta.DeepCopyInto(&to.ObjectMeta)
	case *corev1.ConfigMap:
		from.(*corev1.ConfigMap).DeepCopyInto(to)
	case *corev1.Namespace:
		from.(*corev1.Namespace).DeepCopyInto(to)
	}
}

func resource(kind string) schema.GroupResource {
	return schema.GroupResource{Group: v1alpha1.GroupVersion.Group, Resource: strings.ToLower(kind) + "s"}
}

func copyOf[T client.Object](obj T) T { return obj.DeepCopyObject().(T) }

func (k *kube) get(key objectKey, into client.Object) error {
	obj, ok := k.objects[key]
	if !ok {
		return apierrors.NewNotFound(resource(key.kind), key.Name)
	}
	assign(into, obj)
	return nil
}

// all returns the objects of a kind, by name.
func all[T client.Object](k *kube) []T {
	var out []T
	for _, obj := range k.objects {
		if t, ok := obj.(T); ok {
			out = append(out, t)
		}
	}
	slices.SortFunc(out, func(a, b T) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	return out
}

func (k *kube) create(obj client.Object) error {
	key := keyOf(obj)
	if _, ok := k.objects[key]; ok {
		return apierrors.NewAlreadyExists(resource(key.kind), key.Name)
	}
	stored := copyOf(obj)
	k.version++
	stored.SetUID(types.UID(fmt.Sprintf("uid-%d", k.version)))
	stored.SetGeneration(1)
	stored.SetCreationTimestamp(metav1.Now().Rfc3339Copy())
	k.put(key, stored)
	assign(obj, k.objects[key])
	return nil
}

// update replaces an object; edit is the same without knowing it whole.
func (k *kube) update(obj client.Object) error {
	key := keyOf(obj)
	old, ok := k.objects[key]
	switch {
	case !ok:
		return apierrors.NewNotFound(resource(key.kind), key.Name)
	case obj.GetResourceVersion() != "" && obj.GetResourceVersion() != old.GetResourceVersion():
		return apierrors.NewConflict(resource(key.kind), key.Name, errChanged)
	}
	stored := copyOf(obj)
	stored.SetGeneration(old.GetGeneration())
	if !sameSpec(old, stored) {
		stored.SetGeneration(old.GetGeneration() + 1)
	}
	k.put(key, stored)
	if now, ok := k.objects[key]; ok {
		assign(obj, now)
	}
	return nil
}

var errChanged = fmt.Errorf("the object has been modified; apply your changes to the latest version")

func sameSpec(a, b client.Object) bool {
	switch a := a.(type) {
	case *v1alpha1.Team:
		return reflect.DeepEqual(a.Spec, b.(*v1alpha1.Team).Spec)
	case *v1alpha1.UserRole:
		return reflect.DeepEqual(a.Spec, b.(*v1alpha1.UserRole).Spec)
	case *v1alpha1.ConsoleConnection:
		return reflect.DeepEqual(a.Spec, b.(*v1alpha1.ConsoleConnection).Spec)
	}
	return true
}

// patch applies a merge patch to the status, or to everything but the status.
// The response is written into obj.
func (k *kube) patch(obj client.Object, data []byte, status bool) error {
	key := keyOf(obj)
	old, ok := k.objects[key]
	if !ok {
		return apierrors.NewNotFound(resource(key.kind), key.Name)
	}
	var change map[string]any
	if err := json.Unmarshal(data, &change); err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if meta, ok := change["metadata"].(map[string]any); ok {
		if version, ok := meta["resourceVersion"]; ok && version != old.GetResourceVersion() {
			return apierrors.NewConflict(resource(key.kind), key.Name, errChanged)
		}
		delete(meta, "resourceVersion")
	}
	stored := copyOf(old)
	part := any(stored)
	if status {
		part = statusOf(stored)
		change, _ = change["status"].(map[string]any)
	} else {
		delete(change, "status")
	}
	var differs bool
	var err error
	if status && obj.GetResourceVersion() == old.GetResourceVersion() {
		// The patch leads from what is stored to what was handed over.
		differs, err = len(change) > 0, reread(part, statusOf(obj))
	} else {
		differs, err = merge(part, change)
	}
	if err != nil {
		return apierrors.NewBadRequest(err.Error())
	}
	if !differs {
		assign(obj, old)
		return nil
	}
	if !status && !sameSpec(old, stored) {
		stored.SetGeneration(old.GetGeneration() + 1)
	}
	k.put(key, stored)
	if now, ok := k.objects[key]; ok {
		assign(obj, now)
		return nil
	}
	// The answer to a write that ends an object bears the version from before.
	stored.SetResourceVersion(old.GetResourceVersion())
	assign(obj, stored)
	return nil
}

func statusOf(obj client.Object) any {
	switch obj := obj.(type) {
	case *v1alpha1.Team:
		return &obj.Status
	case *v1alpha1.UserRole:
		return &obj.Status
	case *v1alpha1.ConsoleConnection:
		return &obj.Status
	}
	panic(fmt.Sprintf("a %T has no status", obj))
}

// reread sets what part points to to what becomes of a value on its way to the
// API server: times lose their fractions.
func reread(part, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	reflect.ValueOf(part).Elem().SetZero()
	return json.Unmarshal(data, part)
}

// merge applies a merge patch to what part points to, and reports whether that
// changed it.
func merge(part any, change map[string]any) (differs bool, err error) {
	before, err := json.Marshal(part)
	if err != nil {
		return false, err
	}
	var whole map[string]any
	if err := json.Unmarshal(before, &whole); err != nil {
		return false, err
	}
	after, err := json.Marshal(mergePatch(whole, change))
	if err != nil {
		return false, err
	}
	reflect.ValueOf(part).Elem().SetZero()
	if err := json.Unmarshal(after, part); err != nil {
		return false, err
	}
	// Marshalled again, since a map's members come in another order.
	after, err = json.Marshal(part)
	return !bytes.Equal(before, after), err
}

// mergePatch is RFC 7386.
func mergePatch(target, patch map[string]any) map[string]any {
	if target == nil {
		target = map[string]any{}
	}
	for name, value := range patch {
		switch value := value.(type) {
		case nil:
			delete(target, name)
		case map[string]any:
			inner, _ := target[name].(map[string]any)
			target[name] = mergePatch(inner, value)
		default:
			target[name] = value
		}
	}
	return target
}

// delete is what kubectl delete does.
func (k *kube) delete(key objectKey) {
	old, ok := k.objects[key]
	if !ok || !old.GetDeletionTimestamp().IsZero() {
		return
	}
	stored := copyOf(old)
	now := metav1.Now().Rfc3339Copy()
	stored.SetDeletionTimestamp(&now)
	stored.SetGeneration(old.GetGeneration() + 1)
	k.put(key, stored)
}

// put stores a version of an object, or takes it away when it is to go and
// nobody holds it, and has all who watch told.
func (k *kube) put(key objectKey, stored client.Object) {
	old := k.objects[key]
	k.version++
	stored.SetResourceVersion(strconv.Itoa(k.version))
	gone := !stored.GetDeletionTimestamp().IsZero() && len(stored.GetFinalizers()) == 0
	if gone {
		delete(k.objects, key)
		k.w.ledger.released(stored)
	} else {
		k.objects[key] = stored
		k.w.ledger.stored(old, stored)
	}
	for _, p := range k.w.processes {
		p.cache.observe(key, stored, gone)
	}
}

// restore puts an object in the place of the one of its name, whatever holds that,
// as a new one.
func (k *kube) restore(obj client.Object) {
	key := keyOf(obj)
	old := k.objects[key]
	delete(k.objects, key)
	k.version++
	for _, p := range k.w.processes {
		p.cache.observe(key, old, true)
	}
	if err := k.create(obj); err != nil {
		panic(fmt.Sprintf("restore %v: %v", key, err))
	}
}

// edit changes an object as a person does.
func edit[T client.Object](k *kube, obj T, change func(T)) {
	now := copyOf(obj)
	change(now)
	if err := k.update(now); err != nil {
		panic(fmt.Sprintf("edit %v: %v", keyOf(obj), err))
	}
}
