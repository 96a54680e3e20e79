package histories

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	toolscache "k8s.io/client-go/tools/cache"
	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// A view is what a process has seen of Kubernetes: its cache. What happens
// there arrives with a delay, in order for each kind. It implements
// [ctrlcache.Cache] as far as controllers ask for it.
type view struct {
	ctrlcache.Cache
	p *process

	mu       sync.RWMutex
	objects  map[objectKey]client.Object
	handlers map[string][]toolscache.ResourceEventHandler
	indices  map[string]client.IndexerFunc // by kind and field
	latest   map[string]time.Duration      // by kind: when the last known event arrives
}

func newView(p *process) *view {
	v := &view{
		p: p, objects: map[objectKey]client.Object{}, handlers: map[string][]toolscache.ResourceEventHandler{},
		indices: map[string]client.IndexerFunc{}, latest: map[string]time.Duration{},
	}
	for key, obj := range p.w.kube.objects {
		if cached(key.kind) {
			v.objects[key] = obj
		}
	}
	return v
}

func cached(kind string) bool { return kind != "ConfigMap" }

// observe has the view learn of a version of an object, some time later.
func (v *view) observe(key objectKey, obj client.Object, gone bool) {
	if !cached(key.kind) {
		return
	}
	w := v.p.w
	at := max(v.latest[key.kind], w.now()+w.plan.watchDelay(w))
	v.latest[key.kind] = at
	w.after(at-w.now(), func() {
		if !v.p.dead {
			v.show(key, obj, gone)
		}
	})
}

func (v *view) show(key objectKey, obj client.Object, gone bool) {
	v.mu.Lock()
	old := v.objects[key]
	if gone {
		delete(v.objects, key)
	} else {
		v.objects[key] = obj
	}
	handlers := slices.Clone(v.handlers[key.kind])
	v.mu.Unlock()
	for _, h := range handlers {
		switch {
		case gone && old != nil:
			h.OnDelete(obj)
		case gone:
		case old == nil:
			h.OnAdd(obj, false)
		default:
			h.OnUpdate(old, obj)
		}
	}
}

// list returns copies of the objects of a kind that match, by name.
func (v *view) list(kind string, match func(client.Object) bool) []client.Object {
	v.mu.RLock()
	defer v.mu.RUnlock()
	var out []client.Object
	for key, obj := range v.objects {
		if key.kind == kind && match(obj) {
			out = append(out, copyOf(obj))
		}
	}
	slices.SortFunc(out, func(a, b client.Object) int {
		return strings.Compare(a.GetNamespace()+"/"+a.GetName(), b.GetNamespace()+"/"+b.GetName())
	})
	return out
}

// Get implements [client.Reader].
func (v *view) Get(_ context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) error {
	v.mu.RLock()
	defer v.mu.RUnlock()
	key := objectKey{kindOf(into), name}
	obj, ok := v.objects[key]
	if !ok {
		return apierrors.NewNotFound(resource(key.kind), name.Name)
	}
	assign(into, obj)
	return nil
}

// List implements [client.Reader].
func (v *view) List(_ context.Context, list client.ObjectList, options ...client.ListOption) error {
	var o client.ListOptions
	o.ApplyOptions(options)
	kind := kindOf(list)
	match := func(obj client.Object) bool { return o.Namespace == "" || obj.GetNamespace() == o.Namespace }
	if o.FieldSelector != nil {
		inNamespace := match
		wanted := o.FieldSelector.Requirements()
		match = func(obj client.Object) bool {
			for _, r := range wanted {
				if !slices.Contains(v.indices[kind+"/"+r.Field](obj), r.Value) {
					return false
				}
			}
			return inNamespace(obj)
		}
	}
	found := v.list(kind, match)
	switch list := list.(type) {
	case *v1alpha1.TeamList:
		list.Items = items[v1alpha1.Team](found)
	case *v1alpha1.UserRoleList:
		list.Items = items[v1alpha1.UserRole](found)
	case *v1alpha1.ConsoleConnectionList:
		list.Items = items[v1alpha1.ConsoleConnection](found)
	}
	return nil
}

func items[T any](objects []client.Object) []T {
	out := make([]T, len(objects))
	for i, obj := range objects {
		out[i] = *any(obj).(*T)
	}
	return out
}

// IndexField implements [client.FieldIndexer].
func (v *view) IndexField(_ context.Context, obj client.Object, field string, f client.IndexerFunc) error {
	name := kindOf(obj) + "/" + field
	if v.indices[name] != nil {
		return fmt.Errorf("there is an index %s already", name)
	}
	v.indices[name] = f
	return nil
}

// GetInformer implements [ctrlcache.Informers].
func (v *view) GetInformer(_ context.Context, obj client.Object, _ ...ctrlcache.InformerGetOption) (ctrlcache.Informer, error) {
	return &informer{v: v, kind: kindOf(obj)}, nil
}

// WaitForCacheSync implements [ctrlcache.Informers].
func (v *view) WaitForCacheSync(context.Context) bool { return true }

// An informer tells of the objects of one kind.
type informer struct {
	ctrlcache.Informer
	v    *view
	kind string
}

// AddEventHandlerWithOptions implements [ctrlcache.Informer].
func (i *informer) AddEventHandlerWithOptions(h toolscache.ResourceEventHandler, _ toolscache.HandlerOptions) (toolscache.ResourceEventHandlerRegistration, error) {
	i.v.mu.Lock()
	i.v.handlers[i.kind] = append(i.v.handlers[i.kind], h)
	i.v.mu.Unlock()
	for _, obj := range i.v.list(i.kind, func(client.Object) bool { return true }) {
		h.OnAdd(obj, true)
	}
	return registration{}, nil
}

// A registration is complete from the start.
type registration struct {
	toolscache.ResourceEventHandlerRegistration
}

func (registration) HasSynced() bool { return true }

// namespaces that the objects are in.
var namespaces = []string{"red", "blue"}

func newNamespace(name string) *corev1.Namespace {
	n := &corev1.Namespace{}
	n.Name = name
	return n
}
