package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/operator-framework/api/pkg/manifests"
	rbacv1 "k8s.io/api/rbac/v1"
	"sigs.k8s.io/yaml"
)

const root = "../.."

// installation returns config/default as kustomize builds it.
func installation(t *testing.T) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", "tool", "kustomize", "build", "../../config/default")
	cmd.Dir = filepath.Join(root, "hack/tools")
	var said bytes.Buffer
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("kustomize: %v\n%s", err, &said)
	}
	return string(out)
}

// generate makes a bundle of manifests and returns its directory.
func generate(t *testing.T, in, base string) (dir string, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "bundle")
	return dir, run([]string{"--base", base, "--samples", filepath.Join(root, "config/samples"), "--version", "0.1.0", "--out", dir},
		strings.NewReader(in), io.Discard)
}

const base = root + "/config/manifests/bases/console-access-operator.clusterserviceversion.yaml"

func TestBundle(t *testing.T) {
	in := installation(t)
	dir, err := generate(t, in, base)
	if err != nil {
		t.Fatal(err)
	}
	b, err := manifests.GetBundleFromDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if b.CSV.Name != "console-access-operator.v0.1.0" || b.Package != pkg || b.DefaultChannel != channel {
		t.Errorf("it is %s of the package %q in the channel %q", b.CSV.Name, b.Package, b.DefaultChannel)
	}
	var kinds []string
	for _, owned := range b.CSV.Spec.CustomResourceDefinitions.Owned {
		kinds = append(kinds, owned.Kind)
		if !strings.Contains(b.CSV.Annotations["alm-examples"], `"kind": "`+owned.Kind+`"`) {
			t.Errorf("there is no example of a %s", owned.Kind)
		}
	}
	if want := []string{"ConsoleConnection", "Team", "UserRole"}; !slices.Equal(kinds, want) || len(b.V1CRDs) != len(want) {
		t.Errorf("it owns %q with %d definitions, want %q", kinds, len(b.V1CRDs), want)
	}

	if strings.Contains(b.CSV.Annotations["alm-examples"], "127.0.0.1") {
		t.Error("an example names the demo's console")
	}

	install := b.CSV.Spec.InstallStrategy.StrategySpec
	if len(install.DeploymentSpecs) != 1 || len(install.ClusterPermissions) != 1 || len(install.Permissions) != 0 {
		t.Fatalf("it has %d Deployments, %d and %d permissions, want 1, 1 and 0",
			len(install.DeploymentSpecs), len(install.ClusterPermissions), len(install.Permissions))
	}
	container := install.DeploymentSpecs[0].Spec.Template.Spec.Containers[0]
	if len(b.CSV.Spec.RelatedImages) != 1 || b.CSV.Spec.RelatedImages[0].Image != container.Image || b.CSV.Annotations["containerImage"] != container.Image {
		t.Errorf("the related images are %v, want %s", b.CSV.Spec.RelatedImages, container.Image)
	}
	if !strings.Contains(in, container.Args[0]) {
		t.Errorf("the arguments are %q", container.Args)
	}
	if got := install.ClusterPermissions[0].ServiceAccountName; got != install.DeploymentSpecs[0].Spec.Template.Spec.ServiceAccountName {
		t.Errorf("the permissions are for %q", got)
	}
	checkRights(t, in, b)
}

// checkRights compares the operator's rights with those of an installation
// without the Operator Lifecycle Manager.
func checkRights(t *testing.T, in string, b *manifests.Bundle) {
	t.Helper()
	granted := b.CSV.Spec.InstallStrategy.StrategySpec.ClusterPermissions[0].Rules
	for _, rule := range granted {
		if slices.Contains(rule.Resources, "secrets") {
			t.Errorf("Secrets are granted in all namespaces: %v", rule)
		}
	}
	objects, err := decode(strings.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	want := 0
	for _, obj := range objects {
		if obj.GetKind() == "ClusterRole" && slices.Contains([]string{"console-access-manager-role", "console-access-metrics-auth-role"}, obj.GetName()) {
			role, err := convert[rbacv1.ClusterRole](obj)
			if err != nil {
				t.Fatal(err)
			}
			want += len(role.Rules)
		}
		left := slices.Contains([]string{"Namespace", "Deployment", "ServiceAccount", "ClusterRoleBinding"}, obj.GetKind())
		for _, bound := range []string{"console-access-manager-role", "console-access-metrics-auth-role"} {
			left = left || obj.GetKind() == "ClusterRole" && obj.GetName() == bound
		}
		found := false
		for _, o := range b.Objects {
			found = found || o.GetKind() == obj.GetKind() && o.GetName() == obj.GetName() && o.GetNamespace() == ""
		}
		if found == left {
			t.Errorf("%s %s: in the bundle %v, want %v", obj.GetKind(), obj.GetName(), found, !left)
		}
	}
	if want == 0 || len(granted) != want {
		t.Errorf("it has %d rules in all namespaces, want %d", len(granted), want)
	}
}

func TestInvalidBundlesAreRefused(t *testing.T) {
	in := installation(t)
	text, err := os.ReadFile(base)
	if err != nil {
		t.Fatal(err)
	}
	changed := func(change func(map[string]any)) string {
		var csv map[string]any
		if err := yaml.Unmarshal(text, &csv); err != nil {
			t.Fatal(err)
		}
		change(csv)
		out, err := yaml.Marshal(csv)
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), "csv.yaml")
		if err := os.WriteFile(path, out, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	tests := []struct{ name, in, base, want string }{
		{"other namespace", strings.ReplaceAll(in, "console-access-system", "elsewhere"), base, "suggested-namespace says"},
		{"other account", strings.ReplaceAll(in, "kind: ServiceAccount\n  name: ", "kind: ServiceAccount\n  name: x"), base, "no account of the operator"},
		{"no Deployment", strings.ReplaceAll(in, "kind: Deployment", "kind: Service"), base, "no account of the operator"},
		{"no install mode", in, changed(func(csv map[string]any) { delete(csv["spec"].(map[string]any), "installModes") }), "install modes"},
		{"unknown field", in, changed(func(csv map[string]any) { csv["specs"] = "x" }), "unknown field"},
		{"bad category", in, changed(func(csv map[string]any) {
			csv["metadata"].(map[string]any)["annotations"].(map[string]any)["categories"] = "Nonsense"
		}), "Nonsense"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := generate(t, tt.in, tt.base); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
	if err := run([]string{"--base", base, "--samples", "x", "--out", "x", "--version", "9b81112"}, strings.NewReader(in), io.Discard); err == nil {
		t.Error("a version that is none is accepted")
	}
}
