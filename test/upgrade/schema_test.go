package upgrade

import (
	"os"
	"path/filepath"
	"testing"

	"sigs.k8s.io/yaml"
)

// A definition is what matters of a CustomResourceDefinition to who has objects
// of it already.
type definition struct {
	Spec struct {
		Group string `json:"group"`
		Scope string `json:"scope"`
		Names struct {
			Kind       string   `json:"kind"`
			ListKind   string   `json:"listKind"`
			Plural     string   `json:"plural"`
			Singular   string   `json:"singular"`
			ShortNames []string `json:"shortNames"`
			Categories []string `json:"categories"`
		} `json:"names"`
		Versions []version `json:"versions"`
	} `json:"spec"`
}

type version struct {
	Name         string         `json:"name"`
	Served       bool           `json:"served"`
	Storage      bool           `json:"storage"`
	Subresources map[string]any `json:"subresources"`
	Schema       struct {
		OpenAPIV3Schema map[string]any `json:"openAPIV3Schema"`
	} `json:"schema"`
}

// A schema has all that the definitions use of OpenAPI, so that nothing of it
// is passed over in silence: readSchema refuses what it does not have.
type schema struct {
	Description          string             `json:"description"`
	Type                 string             `json:"type"`
	Format               string             `json:"format"`
	Properties           map[string]*schema `json:"properties"`
	AdditionalProperties *schema            `json:"additionalProperties"`
	Items                *schema            `json:"items"`
	Required             []string           `json:"required"`
	Default              any                `json:"default"`
	Enum                 []string           `json:"enum"`
	Pattern              string             `json:"pattern"`
	MaxLength            *int64             `json:"maxLength"`
	MaxItems             *int64             `json:"maxItems"`
	Maximum              *int64             `json:"maximum"`
	MinLength            *int64             `json:"minLength"`
	MinItems             *int64             `json:"minItems"`
	Minimum              *int64             `json:"minimum"`
	ListType             string             `json:"x-kubernetes-list-type"`
	ListMapKeys          []string           `json:"x-kubernetes-list-map-keys"`
	MapType              string             `json:"x-kubernetes-map-type"`
	Rules                []rule             `json:"x-kubernetes-validations"`
}

// A rule is one in CEL.
type rule struct {
	Rule              string `json:"rule"`
	Message           string `json:"message"`
	MessageExpression string `json:"messageExpression"`
	FieldPath         string `json:"fieldPath"`
}

// readDefinitions reads the definitions in a directory of the module, by kind.
func readDefinitions(t *testing.T, dir string) map[string]definition {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", filepath.FromSlash(dir), "*.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]definition{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var d definition
		if err := yaml.Unmarshal(text, &d); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[d.Spec.Names.Kind] = d
	}
	if len(all) != 3 {
		t.Fatalf("%s defines %d kinds, want 3", dir, len(all))
	}
	return all
}

// read returns the version's schema.
func (v version) read(t *testing.T) *schema {
	t.Helper()
	text, err := yaml.Marshal(v.Schema.OpenAPIV3Schema)
	if err != nil {
		t.Fatal(err)
	}
	return readSchema(t, text)
}

func readSchema(t *testing.T, text []byte) *schema {
	t.Helper()
	s := &schema{}
	if err := yaml.UnmarshalStrict(text, s); err != nil {
		t.Fatalf("a schema has something that this test does not compare; teach it: %v", err)
	}
	return s
}
