package connection

import (
	"context"
	"errors"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/quota"
)

func newClient(t *testing.T, funcs interceptor.Funcs, objects ...client.Object) client.WithWatch {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).
		WithIndex(&v1alpha1.Team{}, access.ConnectionIndex, access.Indices[access.ConnectionIndex]).
		WithIndex(&v1alpha1.Team{}, access.ClaimIndex, access.Indices[access.ClaimIndex]).
		WithIndex(&v1alpha1.UserRole{}, access.ConnectionIndex, access.Indices[access.ConnectionIndex]).
		WithStatusSubresource(&v1alpha1.ConsoleConnection{}).WithInterceptorFuncs(funcs).Build()
}

func store(c client.Client) *RecordStore {
	return &RecordStore{Reader: c, Writer: c, Name: RecordName("operator", "g")}
}

func record(writer string) quota.Record { return quota.Record{Writer: writer} }

func TestRecordIsKept(t *testing.T) {
	c := newClient(t, interceptor.Funcs{})
	a := store(c)
	if _, err := a.Load(t.Context()); !errors.Is(err, quota.ErrNoRecord) {
		t.Fatalf("before the first record: %v", err)
	}
	at := time.Now().Add(time.Minute).UTC().Truncate(time.Millisecond)
	for _, writer := range []string{"first", "second"} {
		saved := record(writer)
		saved.Open = []quota.Block{{N: 3, NotAfter: at}}
		if err := a.Save(t.Context(), saved); err != nil {
			t.Fatalf("save %s: %v", writer, err)
		}
		got, err := store(c).Load(t.Context())
		if err != nil || got.Writer != writer || len(got.Open) != 1 || got.Open[0].N != 3 || !got.Open[0].NotAfter.Equal(at) {
			t.Fatalf("loaded %+v, %v", got, err)
		}
	}
}

func TestRecordOfAnotherProcess(t *testing.T) {
	c := newClient(t, interceptor.Funcs{})
	a, b := store(c), store(c)
	if err := a.Save(t.Context(), record("a")); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), record("b")); !errors.Is(err, quota.ErrConflict) {
		t.Errorf("created a second time: %v", err)
	}
	if _, err := b.Load(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), record("b")); err != nil {
		t.Fatal(err)
	}
	if err := a.Save(t.Context(), record("a")); !errors.Is(err, quota.ErrConflict) {
		t.Errorf("saved over another's: %v", err)
	}
	held := &corev1.ConfigMap{}
	if err := c.Get(t.Context(), a.Name, held); err != nil {
		t.Fatal(err)
	}
	if err := c.Delete(t.Context(), held); err != nil {
		t.Fatal(err)
	}
	if err := b.Save(t.Context(), record("b")); !errors.Is(err, quota.ErrConflict) {
		t.Errorf("saved where somebody deleted it: %v", err)
	}
	if _, err := b.Load(t.Context()); !errors.Is(err, quota.ErrNoRecord) {
		t.Errorf("after it was deleted: %v", err)
	}
	if err := b.Save(t.Context(), record("b")); err != nil {
		t.Errorf("created anew: %v", err)
	}
}

func TestDamagedRecord(t *testing.T) {
	for name, data := range map[string]map[string]string{
		"no JSON": {recordKey: "{"}, "nothing": nil, "another key": {"x": "{}"}, "not a record": {recordKey: `{"windows":7}`},
	} {
		t.Run(name, func(t *testing.T) {
			held := &corev1.ConfigMap{Data: data}
			held.Namespace, held.Name = "operator", "quota-g"
			s := store(newClient(t, interceptor.Funcs{}, held))
			if _, err := s.Load(t.Context()); !errors.Is(err, quota.ErrDamaged) {
				t.Fatalf("loaded: %v", err)
			}
			if err := s.Save(t.Context(), record("a")); err != nil {
				t.Errorf("a damaged record is not replaced: %v", err)
			}
			if got, err := s.Load(t.Context()); err != nil || got.Writer != "a" {
				t.Errorf("after that: %+v, %v", got, err)
			}
		})
	}
}

// What fails is neither a conflict nor a missing record.
func TestRecordWhileTheServerIsDown(t *testing.T) {
	s := store(newClient(t, interceptor.Funcs{
		Get: func(context.Context, client.WithWatch, client.ObjectKey, client.Object, ...client.GetOption) error {
			return errDown
		},
		Create: func(context.Context, client.WithWatch, client.Object, ...client.CreateOption) error {
			return errDown
		},
	}))
	_, loaded := s.Load(t.Context())
	for _, err := range []error{loaded, s.Save(t.Context(), record("a"))} {
		if !errors.Is(err, errDown) || errors.Is(err, quota.ErrNoRecord) || errors.Is(err, quota.ErrConflict) || errors.Is(err, quota.ErrDamaged) {
			t.Errorf("while the server is down: %v", err)
		}
	}
}
