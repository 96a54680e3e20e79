package connection

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/internal/quota"
)

// +kubebuilder:rbac:groups="",resources=configmaps,verbs=get;create;update,namespace=system

// recordKey is where a quota's record is in its ConfigMap.
const recordKey = "record.json"

// A RecordStore keeps the record of one quota group in a ConfigMap of the
// operator's namespace. It implements [quota.Store].
type RecordStore struct {
	// Reader and Writer must both go to the API server, not to a cache: a
	// record that is a moment old is a wrong record.
	Reader client.Reader
	Writer client.Writer
	// Name of the ConfigMap.
	Name types.NamespacedName

	// version of the ConfigMap as last loaded or saved; "" when there is none.
	version string
}

// RecordName is the name of the ConfigMap of a quota group.
func RecordName(namespace, group string) types.NamespacedName {
	return types.NamespacedName{Namespace: namespace, Name: "quota-" + group}
}

// Quotas makes the limiters of quota groups, and reads their records.
type Quotas struct {
	// Reader and Writer are those of a [RecordStore]; without them nothing is
	// recorded.
	Reader client.Reader
	Writer client.Writer
	// Namespace is where the records are.
	Namespace string
	// Durability is that of each limiter, which has its own name besides.
	Durability quota.Durability
	Options    []quota.Option
	// Made, if set, is called with each limiter.
	Made func(group string, l *quota.Limiter)
}

// errNotKept says that records are not kept.
var errNotKept = errors.New("records are not kept")

func (q *Quotas) store(group string) *RecordStore {
	return &RecordStore{Reader: q.Reader, Writer: q.Writer, Name: RecordName(q.Namespace, group)}
}

// limiter makes the limiter of a group. fresh says that nothing was sent under it
// if it has no record; lost is called when one was missing all the same, or
// damaged.
func (q *Quotas) limiter(group string, cfg quota.Config, fresh bool, lost func(reason string)) *quota.Limiter {
	options := q.Options
	if q.Reader != nil {
		d := q.Durability
		d.Quota, d.Fresh, d.OnRecordLoss = group, fresh, lost
		options = append(options[:len(options):len(options)], quota.WithStore(q.store(group), d))
	}
	l := quota.New(cfg, options...)
	if q.Made != nil {
		q.Made(group, l)
	}
	return l
}

// record reads the record of a group.
func (q *Quotas) record(ctx context.Context, group string) (quota.Record, error) {
	if q.Reader == nil {
		return quota.Record{}, errNotKept
	}
	return q.store(group).Load(ctx)
}

// Load implements [quota.Store].
func (s *RecordStore) Load(ctx context.Context) (quota.Record, error) {
	s.version = ""
	held, record, err := s.read(ctx, s.Name)
	s.version = held.ResourceVersion
	return record, err
}

func (s *RecordStore) read(ctx context.Context, name types.NamespacedName) (*corev1.ConfigMap, quota.Record, error) {
	held, record := &corev1.ConfigMap{}, quota.Record{}
	if err := s.Reader.Get(ctx, name, held); err != nil {
		if apierrors.IsNotFound(err) {
			return &corev1.ConfigMap{}, record, quota.ErrNoRecord
		}
		return &corev1.ConfigMap{}, record, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	if err := json.Unmarshal([]byte(held.Data[recordKey]), &record); err != nil {
		return held, quota.Record{}, fmt.Errorf("%w: ConfigMap %s: %w", quota.ErrDamaged, name, err)
	}
	return held, record, nil
}

// Save implements [quota.Store].
func (s *RecordStore) Save(ctx context.Context, record quota.Record) error {
	data, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("encode the quota record: %w", err)
	}
	held := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: s.Name.Namespace, Name: s.Name.Name, ResourceVersion: s.version,
			Labels: map[string]string{"app.kubernetes.io/managed-by": "console-access-operator"},
		},
		Data: map[string]string{recordKey: string(data)},
	}
	if s.version == "" {
		err = s.Writer.Create(ctx, held)
	} else {
		err = s.Writer.Update(ctx, held)
	}
	switch {
	case apierrors.IsConflict(err), apierrors.IsAlreadyExists(err), apierrors.IsNotFound(err) && s.version != "":
		return fmt.Errorf("%w: ConfigMap %s: %w", quota.ErrConflict, s.Name, err)
	case err != nil:
		return fmt.Errorf("save ConfigMap %s: %w", s.Name, err)
	}
	s.version = held.ResourceVersion
	return nil
}
