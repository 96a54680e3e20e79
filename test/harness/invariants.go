package harness

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"slices"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	corev1 "k8s.io/api/core/v1"
	eventsv1 "k8s.io/api/events/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrlmetrics "sigs.k8s.io/controller-runtime/pkg/metrics"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

func (e *Env) checkWindows() {
	violations := e.Sim.ViolationList()
	if len(violations) == 0 || e.options.ExpectViolations {
		return
	}
	e.T.Errorf("%d requests overfilled a window of the console; the first: %+v\n%s",
		e.Sim.Violations(), violations[0], e.requestReport())
}

// checkSecrecy looks for the API keys wherever the operator writes.
func (e *Env) checkSecrecy(ctx context.Context) {
	for _, line := range slices.Concat(e.Operator.Log.all()[e.logged:], general.all()[e.generally:]) {
		if secret := e.secretIn(line); secret != "" {
			e.T.Errorf("the API key stands in the log: %s", strings.ReplaceAll(line, secret, "[KEY]"))
		}
	}
	for _, registry := range []prometheus.Gatherer{e.Operator.Metrics, ctrlmetrics.Registry} {
		families, err := registry.Gather()
		if err != nil {
			e.T.Errorf("gather the metrics to look for the API key: %v", err)
		}
		for _, family := range families {
			if text := family.String(); e.secretIn(text) != "" {
				e.T.Errorf("the API key stands in the metric %s", family.GetName())
			}
		}
	}
	look := func(list client.ObjectList, options ...client.ListOption) {
		err := e.cluster.client.List(ctx, list, options...)
		// The test may have deleted the CRD.
		if client.IgnoreNotFound(err) != nil {
			e.T.Errorf("list %T to look for the API key: %v", list, err)
			return
		}
		_ = meta.EachListItem(list, func(obj runtime.Object) error {
			text, err := json.Marshal(obj)
			if err != nil {
				return err
			}
			if secret := e.secretIn(string(text)); secret != "" {
				e.T.Errorf("the API key stands in a %T: %s", obj, strings.ReplaceAll(string(text), secret, "[KEY]"))
			}
			return nil
		})
	}
	look(&v1alpha1.ConsoleConnectionList{}, e.ours())
	look(&v1alpha1.TeamList{}, e.ours())
	look(&v1alpha1.UserRoleList{}, e.ours())
	look(&corev1.ConfigMapList{}, client.InNamespace(e.Operator.Namespace))
	for _, namespace := range append([]string{metav1.NamespaceDefault}, e.spaces...) {
		look(&eventsv1.EventList{}, client.InNamespace(namespace))
	}
}

// conceal has the test fail at its end if a key, or a longer part of one that
// is no key, stands anywhere.
func (e *Env) conceal(key string) {
	parts := strings.FieldsFunc(key, func(r rune) bool { return r <= ' ' || r > '~' })
	for _, secret := range append(parts, key) {
		if len(strings.TrimSpace(secret)) >= minSecret {
			e.secrets = append(e.secrets, secret)
		}
	}
}

// minSecret is how short a part of a key may be and still be no chance.
const minSecret = 12

// secretIn returns the first API key in a text, or its form in a Secret.
func (e *Env) secretIn(text string) string {
	for _, secret := range e.secrets {
		for _, form := range []string{secret, base64.StdEncoding.EncodeToString([]byte(secret))} {
			if strings.Contains(text, form) {
				return form
			}
		}
	}
	return ""
}

// ours selects the objects of the test's operator.
func (e *Env) ours() client.ListOption {
	return client.MatchingLabels{operatorLabel: e.Operator.Namespace}
}

// cleanUp deletes what the test made, without any call to the console.
func (e *Env) cleanUp(ctx context.Context) {
	for _, namespace := range e.spaces {
		teams, roles := &v1alpha1.TeamList{}, &v1alpha1.UserRoleList{}
		for _, list := range []client.ObjectList{teams, roles} {
			if err := e.cluster.client.List(ctx, list, client.InNamespace(namespace)); client.IgnoreNotFound(err) != nil {
				e.T.Errorf("list what is to be cleaned up: %v", err)
			}
		}
		var all []client.Object
		for i := range teams.Items {
			all = append(all, &teams.Items[i])
		}
		for i := range roles.Items {
			all = append(all, &roles.Items[i])
		}
		several(all, func(obj client.Object) { e.discard(ctx, obj) })
	}
	for _, name := range e.connections {
		e.discard(ctx, &v1alpha1.ConsoleConnection{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
	for _, name := range e.spaces {
		e.discard(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}})
	}
}

// discard deletes an object and takes its finalizers away.
func (e *Env) discard(ctx context.Context, obj client.Object) {
	err := e.cluster.client.Delete(ctx, obj)
	if _, isNamespace := obj.(*corev1.Namespace); err == nil && !isNamespace {
		err = e.cluster.client.Patch(ctx, obj, client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`)))
	}
	if err != nil && !apierrors.IsNotFound(err) {
		e.T.Errorf("clean up %T %s: %v", obj, obj.GetName(), err)
	}
}
