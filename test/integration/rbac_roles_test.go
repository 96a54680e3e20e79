package integration

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/util/yaml"
)

// account is the manager's ServiceAccount, and home its namespace, as the
// files of config/rbac name them.
const (
	roleFiles = "../../config/rbac"
	account   = "controller-manager"
	home      = "system"
)

// A need is what one request to the Kubernetes API takes. Namespace is empty
// for a request about all namespaces or about something that is in none.
type need struct{ verb, group, resource, namespace string }

func (n need) String() string {
	where := "everywhere"
	if n.namespace != "" {
		where = "in " + n.namespace
	}
	return fmt.Sprintf("%s %s.%s %s", n.verb, n.resource, n.group, where)
}

// needOf reads a request as the API server's authorizer does. It is false for
// a request about no resource, such as discovery.
func needOf(r *http.Request) (need, bool) {
	parts := strings.Split(strings.Trim(r.URL.Path, "/"), "/")
	var n need
	switch {
	case parts[0] == "api" && len(parts) > 2:
		parts = parts[2:]
	case parts[0] == "apis" && len(parts) > 3:
		n.group, parts = parts[1], parts[3:]
	default:
		return n, false
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		n.namespace, parts = parts[1], parts[2:]
	}
	n.resource = parts[0]
	if len(parts) > 2 {
		n.resource += "/" + parts[2]
	}
	named := len(parts) > 1
	n.verb = map[string]string{
		http.MethodPost: "create", http.MethodPut: "update", http.MethodPatch: "patch", http.MethodDelete: "delete",
	}[r.Method]
	switch {
	case r.Method == http.MethodGet && r.URL.Query().Get("watch") == "true":
		n.verb = "watch"
	case r.Method == http.MethodGet && named:
		n.verb = "get"
	case r.Method == http.MethodGet:
		n.verb = "list"
	case n.verb == "delete" && !named:
		n.verb = "deletecollection"
	}
	return n, true
}

// A grant is one verb on one resource that the manager is given: everywhere,
// or in its own namespace alone.
type grant struct {
	verb, group, resource string
	everywhere            bool
}

func (g grant) String() string {
	where := "in the operator's namespace"
	if g.everywhere {
		where = "everywhere"
	}
	return fmt.Sprintf("%s %s.%s %s", g.verb, g.resource, g.group, where)
}

func (g grant) allows(n need, namespace string) bool {
	return g.verb == n.verb && g.group == n.group && g.resource == n.resource && (g.everywhere || n.namespace == namespace)
}

// grants are what config/rbac binds to the manager's ServiceAccount.
func grants(t *testing.T) []grant {
	t.Helper()
	rules := map[string][]rbacv1.PolicyRule{} // by kind and name
	var bound []grant
	bind := func(ref rbacv1.RoleRef, subjects []rbacv1.Subject, everywhere bool) {
		ours := func(s rbacv1.Subject) bool {
			return s.Kind == "ServiceAccount" && s.Name == account && s.Namespace == home
		}
		if !slices.ContainsFunc(subjects, ours) {
			return
		}
		found, ok := rules[ref.Kind+"/"+ref.Name]
		if !ok {
			t.Errorf("%s %q is bound and does not exist", ref.Kind, ref.Name)
		}
		for _, rule := range found {
			bound = append(bound, expand(t, rule, everywhere)...)
		}
	}
	var later []func()
	documents(t, func(kind string, text []byte) {
		switch kind {
		case "ClusterRole", "Role":
			// A Role reads as a ClusterRole, which has all its fields.
			role := read[rbacv1.ClusterRole](t, text)
			if kind == "Role" && role.Namespace != home {
				t.Errorf("Role %q is in namespace %q, want %q", role.Name, role.Namespace, home)
			}
			rules[kind+"/"+role.Name] = role.Rules
		case "ClusterRoleBinding":
			b := read[rbacv1.ClusterRoleBinding](t, text)
			later = append(later, func() { bind(b.RoleRef, b.Subjects, true) })
		case "RoleBinding":
			b := read[rbacv1.RoleBinding](t, text)
			if b.Namespace != home {
				t.Errorf("RoleBinding %q is in namespace %q, want %q", b.Name, b.Namespace, home)
			}
			later = append(later, func() { bind(b.RoleRef, b.Subjects, false) })
		}
	})
	for _, f := range later {
		f()
	}
	return bound
}

// expand is a rule's grants, one by one.
func expand(t *testing.T, rule rbacv1.PolicyRule, everywhere bool) []grant {
	t.Helper()
	if len(rule.NonResourceURLs) > 0 || len(rule.ResourceNames) > 0 {
		t.Errorf("a rule that this test cannot judge: %+v", rule)
	}
	var out []grant
	for _, group := range rule.APIGroups {
		for _, resource := range rule.Resources {
			for _, verb := range rule.Verbs {
				if slices.Contains([]string{group, resource, verb}, "*") {
					t.Errorf("a rule grants more than is listed: %+v", rule)
				}
				out = append(out, grant{verb, group, resource, everywhere})
			}
		}
	}
	return out
}

// documents hands every YAML document of config/rbac to f.
func documents(t *testing.T, f func(kind string, text []byte)) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(roleFiles, "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no roles in %s: %v", roleFiles, err)
	}
	for _, name := range files {
		file, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		reader := yaml.NewDocumentDecoder(file)
		for {
			text := make([]byte, 64<<10)
			n, err := reader.Read(text)
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			f(read[struct{ Kind string }](t, text[:n]).Kind, text[:n])
		}
		_ = file.Close()
	}
}

func read[T any](t *testing.T, text []byte) (v T) {
	t.Helper()
	if err := yaml.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return v
}
