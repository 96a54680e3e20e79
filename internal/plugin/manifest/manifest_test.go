package manifest

import (
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

func objects() []client.Object {
	team := &v1alpha1.Team{ObjectMeta: metav1.ObjectMeta{Name: "growth", Namespace: "ours"}}
	team.Spec.Name, team.Spec.Members, team.Spec.ConnectionRef.Name = "Growth", []v1alpha1.EmailAddress{}, "default"
	team.Status.ID = "1"
	role := &v1alpha1.UserRole{ObjectMeta: metav1.ObjectMeta{Name: "ada", ResourceVersion: "7"}}
	role.Spec.Email, role.Spec.Role, role.Spec.ConnectionRef.Name = "ada@example.com", "Admin", "default"
	return []client.Object{team, role}
}

const written = `apiVersion: console-access.dev/v1alpha1
kind: Team
metadata:
  name: growth
  namespace: ours
spec:
  connectionRef:
    name: default
  members: []
  name: Growth
---
apiVersion: console-access.dev/v1alpha1
kind: UserRole
metadata:
  name: ada
spec:
  connectionRef:
    name: default
  email: ada@example.com
  role: Admin
`

func TestYAML(t *testing.T) {
	got, err := YAML(objects())
	if err != nil || string(got) != written {
		t.Errorf("got %v\n%s\nwant\n%s", err, got, written)
	}
}

// What is written is read again, from YAML, from a JSON List and from a directory.
func TestReadWhatWasWritten(t *testing.T) {
	var want []any
	for _, obj := range objects() {
		switch obj := obj.(type) {
		case *v1alpha1.Team:
			want = append(want, obj.Spec)
		case *v1alpha1.UserRole:
			want = append(want, obj.Spec)
		}
	}
	list, err := JSON(objects())
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if n, _, err := WriteDir(dir, objects(), PerObject, false); err != nil || n != 2 {
		t.Fatalf("wrote %d files: %v", n, err)
	}
	other := "apiVersion: v1\nkind: Namespace\nmetadata: {name: x}\n---\n# nothing\n"
	for title, read := range map[string]func() ([]Manifest, error){
		"YAML": func() ([]Manifest, error) {
			return Read([]string{Stdin}, false, strings.NewReader(other+"---\n"+written))
		},
		"JSON":      func() ([]Manifest, error) { return Read([]string{Stdin}, false, strings.NewReader(string(list))) },
		"directory": func() ([]Manifest, error) { return Read([]string{dir}, false, nil) },
	} {
		got, err := read()
		if err != nil {
			t.Errorf("%s: %v", title, err)
			continue
		}
		var specs []any
		for _, m := range got {
			typed, err := m.Typed()
			if err != nil {
				t.Errorf("%s: %v", title, err)
			}
			switch obj := typed.(type) {
			case *v1alpha1.Team:
				specs = append(specs, obj.Spec)
			case *v1alpha1.UserRole:
				specs = append(specs, obj.Spec)
			}
		}
		if !reflect.DeepEqual(specs, want) {
			t.Errorf("%s: read %+v, want %+v", title, specs, want)
		}
	}
}

func TestReadRefuses(t *testing.T) {
	for text, says := range map[string]string{
		"kind: Team\napiVersion: console-access.dev/v1alpha1\nspec: {mode: x, mode: y}": "mode",
		"kind: Team\napiVersion: console-access.dev/v1alpha1":                           "metadata.name is missing",
		"kind: Group\napiVersion: console-access.dev/v1alpha1":                          "not known to this version",
		"kind: Team\napiVersion: console-access.dev/v2":                                 "not known to this version",
		"a: b: c": "document 1",
	} {
		if _, err := Read([]string{Stdin}, false, strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, want %q", text, err, says)
		}
	}
	if _, err := Read([]string{t.TempDir()}, false, nil); err == nil || !strings.Contains(err.Error(), "there are no manifests") {
		t.Errorf("an empty directory: %v", err)
	}
}

func TestReadRecursive(t *testing.T) {
	dir := t.TempDir()
	below := filepath.Join(dir, "a", "b")
	if err := os.MkdirAll(below, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, below} {
		if _, _, err := WriteDir(d, objects(), PerKind, false); err != nil {
			t.Fatal(err)
		}
	}
	for recursive, want := range map[bool]int{false: 2, true: 4} {
		if got, err := Read([]string{dir}, recursive, nil); err != nil || len(got) != want {
			t.Errorf("recursive %v: %d objects, want %d: %v", recursive, len(got), want, err)
		}
	}
}

func TestWriteDirKeepsWhatIsThere(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new")
	if _, _, err := WriteDir(dir, objects(), PerKind, false); err != nil {
		t.Fatal(err)
	}
	old := filepath.Join(dir, "old.yaml")
	if err := os.WriteFile(old, []byte("mine"), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, _, err := WriteDir(dir, objects(), PerKind, false); err == nil || !strings.Contains(err.Error(), "--overwrite") {
		t.Errorf("what is there was overwritten: %v", err)
	}
	n, others, err := WriteDir(dir, objects()[:1], PerKind, true)
	if err != nil || n != 1 || !slices.Equal(others, []string{"old.yaml", "userroles.yaml"}) {
		t.Errorf("wrote %d files, others %v: %v", n, others, err)
	}
	if text, _ := os.ReadFile(old); string(text) != "mine" {
		t.Errorf("the other file holds %q", text)
	}
}
