package target

import (
	"cmp"
	"context"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/quota"
)

// defaultShare is that of a ConsoleConnection when the API server has not filled it in.
const defaultShare = 90

// FromConnection is the target of a ConsoleConnection, without its key. The
// limit is what the connection's operator leaves of each window to others, so
// that both together stay inside the console's.
func FromConnection(spec *v1alpha1.ConsoleConnectionSpec) Target {
	t := Target{
		Provider: cmp.Or(spec.Provider, v1alpha1.ProviderStatsig),
		Endpoint: cmp.Or(spec.Endpoint, statsig.DefaultEndpoint),
		CABundle: spec.CABundle, AllowInsecure: spec.AllowInsecure,
		Limit: DefaultLimit(),
	}
	if len(spec.RateLimit.Windows) > 0 {
		t.Limit.Windows = nil
		for _, w := range spec.RateLimit.Windows {
			t.Limit.Windows = append(t.Limit.Windows, quota.Window{Requests: int(w.Requests), Per: w.Per.Duration})
		}
	}
	t.Limit.MutationsOnly = spec.RateLimit.Counts == v1alpha1.CountsMutations
	t.Limit.Share = max(1, 100-int(cmp.Or(spec.RateLimit.Share, defaultShare)))
	return t
}

// SecretKey reads the API key of a ConsoleConnection from the Secret in the
// operator's namespace.
func SecretKey(ctx context.Context, c client.Reader, connection *v1alpha1.ConsoleConnection, operatorNamespace string) (string, error) {
	ref := connection.Spec.APIKeySecretRef
	field := ref.Field()
	secret := &corev1.Secret{}
	err := c.Get(ctx, types.NamespacedName{Namespace: operatorNamespace, Name: ref.Name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("there is no Secret %q in namespace %q, which ConsoleConnection %q takes its API key from: "+
			"name the operator's namespace with --operator-namespace, or give the key with --api-key-file", ref.Name, operatorNamespace, connection.Name)
	case apierrors.IsForbidden(err):
		return "", fmt.Errorf("you may not read Secret %q in namespace %q, which ConsoleConnection %q takes its API key from: "+
			"give the key with --api-key-file, or ask for the right to get that Secret", ref.Name, operatorNamespace, connection.Name)
	case err != nil:
		return "", fmt.Errorf("read Secret %s/%s: %w", operatorNamespace, ref.Name, err)
	}
	key := strings.TrimSpace(string(secret.Data[field]))
	if key == "" {
		return "", fmt.Errorf("Secret %q in namespace %q has nothing under %q: put the Console API key there", ref.Name, operatorNamespace, field)
	}
	return key, nil
}
