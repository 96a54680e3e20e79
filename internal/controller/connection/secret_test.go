package connection

import (
	"context"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// TestSecretIsReadOncePerVersion: however often a connection is looked at, its
// Secret is read again only when it has changed.
func TestSecretIsReadOncePerVersion(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		live, reads := b.Client, 0
		b.Live = interceptor.NewClient(live.(client.WithWatch), interceptor.Funcs{
			Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, obj client.Object, options ...client.GetOption) error {
				reads++
				return c.Get(ctx, key, obj, options...)
			},
		})
		name := types.NamespacedName{Namespace: "operator", Name: "key"}
		want := func(what string, n int, reason string) {
			t.Helper()
			b.reconcile(t)
			b.wants(t, reason, "")
			if reads != n {
				t.Errorf("%s: %d reads of the Secret, want %d", what, reads, n)
			}
		}
		want("at first", 1, v1alpha1.ReasonSynced)
		secret := &corev1.Secret{}
		if err := live.Get(t.Context(), name, secret); err != nil {
			t.Fatal(err)
		}
		secret.Data["another"] = []byte(apiKey)
		if err := live.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		want("changed", 2, v1alpha1.ReasonSynced)
		b.edit(t, func(c *v1alpha1.ConsoleConnection) { c.Spec.APIKeySecretRef.Key = "another" })
		want("another field", 3, v1alpha1.ReasonSynced)
		if err := live.Delete(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
		want("deleted", 3, v1alpha1.ReasonConnectionNotReady)
		again := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: name.Namespace, Name: name.Name}, Data: secret.Data}
		if err := live.Create(t.Context(), again); err != nil {
			t.Fatal(err)
		}
		want("created again", 4, v1alpha1.ReasonSynced)
		if text := fmt.Sprintf("%+v %#v", *b.state("default"), *b.state("default")); strings.Contains(text, apiKey) {
			t.Error("what is remembered of a connection prints the key")
		}
	})
}

// TestCacheSecrets: of a Secret the cache keeps nothing that could be large, or
// secret.
func TestCacheSecrets(t *testing.T) {
	secret := SecretMetadata()
	secret.Namespace, secret.Name, secret.UID, secret.ResourceVersion = "operator", "key", "u", "7"
	want := secret.DeepCopy()
	secret.Annotations = map[string]string{corev1.LastAppliedConfigAnnotation: `{"data":{"apiKey":"eA=="}}`}
	secret.Labels = map[string]string{"app": "x"}
	secret.ManagedFields = []metav1.ManagedFieldsEntry{{Manager: "kubectl"}}
	kept, err := CacheSecrets("operator").Transform(secret)
	if err != nil || fmt.Sprint(kept) != fmt.Sprint(want) {
		t.Errorf("the cache keeps %v (%v), want %v", kept, err, want)
	}
}
