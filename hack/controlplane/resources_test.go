package main

import (
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	coreapply "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/rest"
)

func TestServerSideApplyOfConfigMap(t *testing.T) {
	client := newClient(t, sharedServer(t))
	configMaps := client.CoreV1().ConfigMaps(newNamespace(t, client))
	apply := func(manager, value string, force bool) (*corev1.ConfigMap, error) {
		config := coreapply.ConfigMap("settings", "").WithData(map[string]string{"shared": value, manager: "own"})
		config.Namespace = nil
		return configMaps.Apply(t.Context(), config, metav1.ApplyOptions{FieldManager: manager, Force: force})
	}
	if _, err := apply("one", "1", false); err != nil {
		t.Fatal(err)
	}
	if _, err := apply("two", "2", false); !apierrors.IsConflict(err) {
		t.Errorf("applying a field of another manager gave %v, want a conflict", err)
	}
	got, err := apply("two", "2", true)
	if err != nil {
		t.Fatal(err)
	}
	if got.Data["shared"] != "2" || got.Data["one"] != "own" || got.Data["two"] != "own" {
		t.Errorf("data %v after a forced apply, want shared=2 and one key of each manager", got.Data)
	}
	if len(got.ManagedFields) != 2 {
		t.Errorf("%d managers, want 2: %v", len(got.ManagedFields), got.ManagedFields)
	}
}

func TestSecretStringData(t *testing.T) {
	client := newClient(t, sharedServer(t))
	secrets := client.CoreV1().Secrets(newNamespace(t, client))
	secret, err := secrets.Create(t.Context(), &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "key"},
		Data:       map[string][]byte{"kept": []byte("a"), "replaced": []byte("b")},
		StringData: map[string]string{"replaced": "c", "added": "d"},
	}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkSecret(t, secret, map[string]string{"kept": "a", "replaced": "c", "added": "d"})
	secret, err = secrets.Patch(t.Context(), "key", types.StrategicMergePatchType, []byte(`{"stringData":{"added":"e"}}`), metav1.PatchOptions{})
	if err != nil {
		t.Fatal(err)
	}
	checkSecret(t, secret, map[string]string{"kept": "a", "replaced": "c", "added": "e"})
	secret.Type = corev1.SecretTypeTLS
	if _, err = secrets.Update(t.Context(), secret, metav1.UpdateOptions{}); !apierrors.IsInvalid(err) {
		t.Errorf("changing the type gave %v, want it refused", err)
	}
	opaque, err := secrets.List(t.Context(), metav1.ListOptions{FieldSelector: "type=Opaque"})
	if err != nil || len(opaque.Items) != 1 {
		t.Errorf("%d Opaque secrets, error %v; want 1", len(opaque.Items), err)
	}
}

func checkSecret(t *testing.T, secret *corev1.Secret, want map[string]string) {
	t.Helper()
	if secret.Type != corev1.SecretTypeOpaque || len(secret.StringData) != 0 || len(secret.Data) != len(want) {
		t.Errorf("type %q, data %q, stringData %q; want Opaque, %q and none", secret.Type, secret.Data, secret.StringData, want)
	}
	for key, value := range want {
		if string(secret.Data[key]) != value {
			t.Errorf("data[%s] is %q, want %q", key, secret.Data[key], value)
		}
	}
}

func TestRefusedObjects(t *testing.T) {
	client := newClient(t, sharedServer(t))
	ns := newNamespace(t, client)
	yes := true
	frozen := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "frozen"}, Immutable: &yes, Data: map[string]string{"a": "b"}}
	if _, err := client.CoreV1().ConfigMaps(ns).Create(t.Context(), frozen, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		make func() error
		want string
	}{
		"name": {func() error {
			_, err := client.CoreV1().ConfigMaps(ns).Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "Upper"}}, metav1.CreateOptions{})
			return err
		}, "metadata.name: Invalid value"},
		"key": {func() error {
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "key"}, Data: map[string]string{"a/b": ""}}
			_, err := client.CoreV1().ConfigMaps(ns).Create(t.Context(), cm, metav1.CreateOptions{})
			return err
		}, "data[a/b]: Invalid value"},
		"size": {func() error {
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "size"}, Data: map[string]string{"a": strings.Repeat("x", maxContentSize+1)}}
			_, err := client.CoreV1().ConfigMaps(ns).Create(t.Context(), cm, metav1.CreateOptions{})
			return err
		}, "data: Too long"},
		"immutable": {func() error {
			_, err := client.CoreV1().ConfigMaps(ns).Patch(t.Context(), "frozen", types.MergePatchType, []byte(`{"data":{"a":"c"}}`), metav1.PatchOptions{})
			return err
		}, "data: Forbidden: field is immutable"},
		"no namespace": {func() error {
			_, err := client.CoreV1().ConfigMaps("nowhere").Create(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.CreateOptions{})
			return err
		}, `namespaces "nowhere" not found`},
		"default namespace": {func() error {
			return client.CoreV1().Namespaces().Delete(t.Context(), "default", metav1.DeleteOptions{})
		}, "this namespace may not be deleted"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			if err := test.make(); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestReviews(t *testing.T) {
	config := sharedServer(t)
	client := newClient(t, config)
	for token, want := range map[string]bool{config.BearerToken: true, "guess": false} {
		review := &authenticationv1.TokenReview{Spec: authenticationv1.TokenReviewSpec{Token: token}}
		got, err := client.AuthenticationV1().TokenReviews().Create(t.Context(), review, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Status.Authenticated != want || (got.Status.User.Username == "admin") != want {
			t.Errorf("token reviewed as %v of %q, want %v", got.Status.Authenticated, got.Status.User.Username, want)
		}
	}
	for group, want := range map[string]bool{"system:masters": true, "developers": false} {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: "someone", Groups: []string{group}, NonResourceAttributes: &authorizationv1.NonResourceAttributes{Path: "/metrics", Verb: "get"},
		}}
		got, err := client.AuthorizationV1().SubjectAccessReviews().Create(t.Context(), review, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if got.Status.Allowed != want {
			t.Errorf("access of %s is %v, want %v", group, got.Status.Allowed, want)
		}
	}
}

func TestRequestsAreAuthenticated(t *testing.T) {
	withToken := func(token string) *rest.Config {
		config := rest.CopyConfig(sharedServer(t))
		config.BearerToken = token
		return config
	}
	for _, token := range []string{"", "guess"} {
		_, err := newClient(t, withToken(token)).CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{})
		if !apierrors.IsUnauthorized(err) {
			t.Errorf("with token %q: %v, want it refused", token, err)
		}
	}
	impersonating := rest.CopyConfig(sharedServer(t))
	impersonating.Impersonate.UserName = "bob"
	_, err := newClient(t, impersonating).CoreV1().Secrets("default").List(t.Context(), metav1.ListOptions{})
	if !apierrors.IsForbidden(err) {
		t.Errorf("as bob: %v, want it forbidden", err)
	}
}

func TestVersionIsThatOfKubernetes(t *testing.T) {
	version, err := newClient(t, sharedServer(t)).Discovery().ServerVersion()
	if err != nil {
		t.Fatal(err)
	}
	if version.Major != "1" || !strings.HasPrefix(version.GitVersion, "v1."+version.Minor+".") {
		t.Errorf("version %s, major %s, minor %s; want v1.minor.patch", version.GitVersion, version.Major, version.Minor)
	}
}
