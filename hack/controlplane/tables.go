package main

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"
)

// table prints a built-in kind as kubectl get shows it.
type table struct {
	columns []string
	cells   func(obj runtime.Object) []any
}

var tables = map[string]table{
	"namespaces": {columns: []string{"Name", "Status", "Age"}, cells: func(obj runtime.Object) []any {
		ns := obj.(*corev1.Namespace)
		return []any{ns.Name, string(ns.Status.Phase), age(ns.CreationTimestamp.Time)}
	}},
	"secrets": {columns: []string{"Name", "Type", "Data", "Age"}, cells: func(obj runtime.Object) []any {
		secret := obj.(*corev1.Secret)
		return []any{secret.Name, string(secret.Type), strconv.Itoa(len(secret.Data)), age(secret.CreationTimestamp.Time)}
	}},
	"configmaps": {columns: []string{"Name", "Data", "Age"}, cells: func(obj runtime.Object) []any {
		cm := obj.(*corev1.ConfigMap)
		return []any{cm.Name, strconv.Itoa(len(cm.Data) + len(cm.BinaryData)), age(cm.CreationTimestamp.Time)}
	}},
	"leases": {columns: []string{"Name", "Holder", "Age"}, cells: func(obj runtime.Object) []any {
		lease := obj.(*coordinationv1.Lease)
		holder := ""
		if lease.Spec.HolderIdentity != nil {
			holder = *lease.Spec.HolderIdentity
		}
		return []any{lease.Name, holder, age(lease.CreationTimestamp.Time)}
	}},
	"events": {columns: []string{"Last Seen", "Type", "Reason", "Object", "Message"}, cells: func(obj runtime.Object) []any {
		event := obj.(*corev1.Event)
		object := strings.ToLower(event.InvolvedObject.Kind) + "/" + event.InvolvedObject.Name
		return []any{age(lastSeen(event)), event.Type, event.Reason, object, strings.TrimSpace(event.Message)}
	}},
}

// ConvertToTable implements rest.TableConvertor.
func (t table) ConvertToTable(_ context.Context, obj, tableOptions runtime.Object) (*metav1.Table, error) {
	out := &metav1.Table{}
	add := func(item runtime.Object) error {
		out.Rows = append(out.Rows, metav1.TableRow{Cells: t.cells(item), Object: runtime.RawExtension{Object: item}})
		return nil
	}
	if meta.IsListType(obj) {
		if err := meta.EachListItem(obj, add); err != nil {
			return nil, fmt.Errorf("print %T as a table: %w", obj, err)
		}
	} else if err := add(obj); err != nil {
		return nil, err
	}
	if list, err := meta.ListAccessor(obj); err == nil {
		out.ResourceVersion = list.GetResourceVersion()
		out.Continue = list.GetContinue()
		out.RemainingItemCount = list.GetRemainingItemCount()
	} else if object, err := meta.CommonAccessor(obj); err == nil {
		out.ResourceVersion = object.GetResourceVersion()
	}
	if options, ok := tableOptions.(*metav1.TableOptions); ok && options.NoHeaders {
		return out, nil
	}
	for _, name := range t.columns {
		column := metav1.TableColumnDefinition{Name: name, Type: "string"}
		if name == "Name" {
			column.Format = "name"
		}
		out.ColumnDefinitions = append(out.ColumnDefinitions, column)
	}
	return out, nil
}

// lastSeen is when an event happened last, by whichever of its APIs it was written.
func lastSeen(event *corev1.Event) time.Time {
	switch {
	case event.Series != nil && !event.Series.LastObservedTime.IsZero():
		return event.Series.LastObservedTime.Time
	case !event.LastTimestamp.IsZero():
		return event.LastTimestamp.Time
	case !event.EventTime.IsZero():
		return event.EventTime.Time
	}
	return event.CreationTimestamp.Time
}

func age(since time.Time) string {
	if since.IsZero() {
		return "<unknown>"
	}
	return duration.HumanDuration(time.Since(since))
}
