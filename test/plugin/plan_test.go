package plugin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/internal/consolesim"
	"github.com/console-access/console-access-operator/internal/plugin/plan"
	"github.com/console-access/console-access-operator/test/harness"
)

// edit changes a text in a file.
func edit(t *testing.T, file, from, to string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), from, to, 1)
	if changed == string(text) {
		t.Fatalf("%s does not hold %q:\n%s", file, from, text)
	}
	if err := os.WriteFile(file, []byte(changed), 0o666); err != nil {
		t.Fatal(err)
	}
}

// planned runs plan with the output JSON.
func (u *user) planned(code int, args ...string) plan.Plan {
	u.T.Helper()
	r := u.plugin(append([]string{"plan", "-o", "json"}, args...)...)
	var p plan.Plan
	if err := json.Unmarshal([]byte(r.stdout), &p); err != nil || r.code != code {
		u.Fatalf("plan ended with %d, want %d (%v):\n%s%s", r.code, code, err, r.stdout, r.stderr)
	}
	return p
}

// What was exported plans to nothing; an edit plans to just that field, and
// applying it changes just that.
func TestPlanOfAnEdit(t *testing.T) {
	u := newUser(t, consolesim.State{}, harness.Options{
		Windows:  documented,
		Behavior: func(b *consolesim.Behavior) { b.RoleSpelling, b.LowercaseEmails = consolesim.SpellingKebab, true },
	})
	u.Sim.Seed(30, 3, 5)
	dir := t.TempDir()
	u.ok(u.direct("export", "--connection-name", u.Namespace, "--output-dir", dir)...)
	p := u.planned(0, u.direct("-f", dir)...)
	if want := (plan.Summary{UpToDate: 33}); p.Summary != want {
		t.Fatalf("the plan of what was exported is %+v, want %+v", p.Summary, want)
	}

	edit(t, filepath.Join(dir, "team-team-0002.yaml"), "reviewApproval: anyone", "reviewApproval: team_only")
	p = u.planned(2, u.direct("-f", dir)...)
	var changed []plan.Change
	for _, c := range p.Changes {
		if c.Action != plan.None {
			changed = append(changed, c)
		}
	}
	if len(changed) != 1 || changed[0].Name != "team-0002" || len(changed[0].Fields) != 1 ||
		changed[0].Fields[0].Field != "reviewApproval" || changed[0].Fields[0].Now != "anyone" || changed[0].Fields[0].Then != "team_only" {
		t.Fatalf("the plan of the edit is %+v", changed)
	}
	table := u.plugin(u.direct("plan", "-f", dir)...)
	for _, text := range []string{"team/team-0002", "reviewApproval", `"anyone"`, `"team_only"`, "1 to update"} {
		if !strings.Contains(table.stdout, text) {
			t.Errorf("the table does not say %q:\n%s", text, table.stdout)
		}
	}

	u.applyDir(dir)
	u.connect()
	u.allReady(33)
	u.WantWrites(0, consolesim.UpdateTeam)
	u.planned(0, "--connection", u.Connection.Name, "--operator-namespace", u.Operator.Namespace, "-f", dir)

	// The cluster knows which team it is: a new name is a rename.
	edit(t, filepath.Join(dir, "team-team-0003.yaml"), "name: Team 0003", "name: Pricing")
	p = u.planned(2, "--connection", u.Connection.Name, "--operator-namespace", u.Operator.Namespace, "-f", dir)
	if p.Summary.Update != 1 || p.Summary.Create != 0 {
		t.Errorf("the plan of a rename is %+v", p.Summary)
	}
}

func TestPlanRefuses(t *testing.T) {
	u := newUser(t, consolesim.State{Users: harness.People()}, harness.Options{})
	file := func(text string) string {
		t.Helper()
		name := filepath.Join(t.TempDir(), "m.yaml")
		if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		return name
	}
	const head = "apiVersion: console-access.dev/v1alpha1\nkind: UserRole\nmetadata: {name: x}\n"
	good := file(head + "spec: {email: ada@example.com, role: Admin}\n")
	for _, tt := range []struct {
		title string
		args  []string
		says  string
	}{
		{"a mistyped field", u.direct("plan", "-f", file(head+"spec: {emial: ada@example.com, role: Admin}\n")), `unknown field "spec.emial"`},
		{"no manifests", u.direct("plan", "-f", file("kind: ConfigMap\napiVersion: v1\n")), "there is no Team and no UserRole"},
		{"no such file", u.direct("plan", "-f", "missing.yaml"), "no such file"},
		{"no file named", u.direct("plan"), "no manifests are named"},
		{"stdin twice", u.direct("plan", "-f", "-"), "both the API key and the manifests"},
		{"no key", []string{"plan", "-f", good}, "no API key was given"},
		{"no connection", []string{"plan", "-f", good, "--connection", "missing"}, `there is no ConsoleConnection "missing"`},
		{"two ways", []string{"plan", "-f", good, "--connection", "c", "--endpoint", "http://127.0.0.1"}, "connection endpoint"},
	} {
		r := u.plugin(tt.args...)
		if r.code != 1 || !strings.Contains(r.stderr, tt.says) {
			t.Errorf("%s: exit code %d, and it says %q, want %q", tt.title, r.code, r.stderr, tt.says)
		}
	}
	if r := u.pipe("not-the-key", u.direct("plan", "-f", good)...); r.code != 1 || !strings.Contains(r.stderr, "does not accept the API key") {
		t.Errorf("a wrong key: exit code %d, and it says %q", r.code, r.stderr)
	}
	if writes := u.Writes(0); len(writes) > 0 || !slices.ContainsFunc(u.Sim.Requests(), func(r consolesim.Request) bool { return r.Status == 401 }) {
		t.Errorf("the console was written to: %v", writes)
	}
}

// words returns the words of a refusal in the order of the alphabet: the API server
// names the fields in any order.
func words(refusal string) string {
	all := strings.FieldsFunc(refusal, func(r rune) bool { return strings.ContainsRune(" [],\n", r) })
	slices.Sort(all)
	return strings.Join(all, " ")
}

// TestPlanRefusesAsKubernetesDoes: what the API server refuses is no change, and
// the plan says why in its words.
func TestPlanRefusesAsKubernetesDoes(t *testing.T) {
	u := newUser(t, consolesim.State{Users: harness.People()}, harness.Options{})
	u.connect()
	kept := u.UserRole("alan@example.com", "Member")
	u.Create(kept)
	u.WaitReady(kept)
	const people = "members: [ada@example.com, grace@example.com, Ada@Example.com]"
	for _, tt := range []struct{ kind, name, spec string }{
		{"Team", "x", "{mode: Watch, adoptionPolicy: Steal}"},
		{"Team", "x", "{" + people + "}"},
		{"Team", "x", "{members: [ada], admins: ['a b@example.com']}"},
		{"Team", "x", "{members: ada@example.com}"},
		{"Team", "x", "{memberz: [], adminz: []}"},
		{"Team", "x", "{name: ' Growth', description: \"\\a\"}"},
		{"Team", "X_y", "{}"},
		{"Team", "x", "{reviewApproval: nobody, defaultGateMetrics: [{name: dau}]}"},
		{"UserRole", "x", "{role: Member}"},
		{"UserRole", "x", "{email: ada@example.com, role: ''}"},
		{"UserRole", "x", "{email: ada@example.com, role: Member, downgradeTo: Admin}"},
		{"UserRole", "alan", "{email: grace@example.com, role: Member, connectionRef: {name: other}}"},
		{"ConsoleConnection", "x", "{apiKeySecretRef: {name: x}, endpoint: 'http://example.com', protectedUsers: [ada]}"},
		{"ConsoleConnection", "x", "{apiKeySecretRef: {name: x}, rateLimit: {windows: [{requests: 0, per: soon}]}}"},
	} {
		text := "apiVersion: console-access.dev/v1alpha1\nkind: " + tt.kind + "\nmetadata: {name: " + tt.name + "}\nspec: " + tt.spec + "\n"
		var refusal error
		for _, obj := range harness.Decode(t, []byte(text)) {
			if tt.kind != "ConsoleConnection" {
				obj.SetNamespace(u.Namespace)
			}
			if tt.name == kept.Name {
				obj.SetResourceVersion(u.Live(obj).GetResourceVersion())
				refusal = u.Client().Update(t.Context(), obj)
			} else {
				refusal = client.WithFieldValidation(u.Client(), metav1.FieldValidationStrict).Create(t.Context(), obj)
			}
		}
		if refusal == nil {
			t.Fatalf("the API server takes %s", text)
		}
		file := filepath.Join(t.TempDir(), "m.yaml")
		text = "apiVersion: console-access.dev/v1alpha1\nkind: Team\nmetadata: {name: fine}\n---\n" + text
		if err := os.WriteFile(file, []byte(text), 0o666); err != nil {
			t.Fatal(err)
		}
		r := u.plugin("plan", "--connection", u.Connection.Name, "--operator-namespace", u.Operator.Namespace, "-f", file)
		want := "Kubernetes would refuse 1 of 2 manifests:\n" + file + ", document 2: " + refusal.Error() + "\n"
		_, said, _ := strings.Cut(r.stderr, "error: ")
		if r.code != 1 || words(said) != words(want) || r.stdout != "" {
			t.Errorf("%s: exit code %d, and it says\n%s\nwant\n%s", text, r.code, r.stderr, want)
		}
	}
}
