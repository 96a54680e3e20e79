package connection

import (
	"context"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/cache"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// secretTimeout bounds one reading of a Secret.
const secretTimeout = 10 * time.Second

// SecretMetadata is a Secret as the cache holds it: without its data, which is
// read when it is needed.
func SecretMetadata() *metav1.PartialObjectMetadata {
	secret := &metav1.PartialObjectMetadata{}
	secret.SetGroupVersionKind(corev1.SchemeGroupVersion.WithKind("Secret"))
	return secret
}

// CacheSecrets is how the cache of a manager holds Secrets: those of one namespace,
// and of these nothing but which version there is. Annotations go, too: kubectl
// keeps the data in one.
func CacheSecrets(namespace string) cache.ByObject {
	return cache.ByObject{
		Namespaces: map[string]cache.Config{namespace: {}},
		Transform: func(obj any) (any, error) {
			if secret, ok := obj.(*metav1.PartialObjectMetadata); ok {
				secret.ObjectMeta = metav1.ObjectMeta{
					Namespace: secret.Namespace, Name: secret.Name, UID: secret.UID, ResourceVersion: secret.ResourceVersion,
				}
			}
			return obj, nil
		},
	}
}

// A storedKey is the API key that was read from a version of a Secret, kept where
// nothing can print it.
type storedKey struct {
	uid            types.UID
	version, field string
	value          func() string
}

// holds reports whether the key is that of a field of the Secret as it is.
func (k storedKey) holds(secret *metav1.PartialObjectMetadata, field string) bool {
	return k.value != nil && k.uid == secret.UID && k.version == secret.ResourceVersion && k.field == field
}

// key returns the API key, which is read from the API server when the Secret has
// changed. A verdict says what is wrong with the Secret.
func (r *Reconciler) key(ctx context.Context, c *v1alpha1.ConsoleConnection) (string, *condition.Verdict, error) {
	ref, st := c.Spec.APIKeySecretRef, r.state(c.Name)
	name := types.NamespacedName{Namespace: r.Namespace, Name: ref.Name}
	field := ref.Field()
	known := SecretMetadata()
	err := r.Client.Get(ctx, name, known)
	if err == nil && !st.apiKey.holds(known, field) {
		err = r.readKey(ctx, st, name, field)
	}
	if apierrors.IsNotFound(err) {
		st.apiKey = storedKey{}
		v := condition.Stuck(v1alpha1.ReasonConnectionNotReady,
			"There is no Secret %q in namespace %q. Create it there, with the Console API key under %q.", ref.Name, r.Namespace, field)
		return "", &v, nil
	}
	if err != nil {
		return "", nil, fmt.Errorf("read Secret %s: %w", name, err)
	}
	key := st.apiKey.value()
	if key == "" {
		v := condition.Stuck(v1alpha1.ReasonConnectionNotReady,
			"Secret %q in namespace %q has nothing under %q. Put the Console API key there.", ref.Name, r.Namespace, field)
		return "", &v, nil
	}
	return key, nil, nil
}

// readKey reads the key from the API server.
func (r *Reconciler) readKey(ctx context.Context, st *state, name types.NamespacedName, field string) error {
	ctx, cancel := context.WithTimeout(ctx, secretTimeout)
	defer cancel()
	secret := &corev1.Secret{}
	if err := r.Live.Get(ctx, name, secret); err != nil {
		return err
	}
	// Files and copied keys end in a line break more often than not.
	key := strings.TrimSpace(string(secret.Data[field]))
	st.apiKey = storedKey{uid: secret.UID, version: secret.ResourceVersion, field: field, value: func() string { return key }}
	return nil
}
