package export

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"
)

// A field is a field of a CustomResourceDefinition's schema.
type field struct {
	Properties map[string]*field
	Items      *field
	MaxLength  int
	MaxItems   int
	Enum       []string
	Rules      []struct{ Rule string } `json:"x-kubernetes-validations"`
}

// has reports whether a rule of the field is about the pattern.
func (f *field) has(pattern string) bool {
	unescaped := strings.NewReplacer(`\\`, `\`, `\'`, `'`)
	for _, r := range f.Rules {
		if strings.Contains(unescaped.Replace(r.Rule), "'"+pattern+"'") {
			return true
		}
	}
	return false
}

// schema reads the definition of a kind's spec.
func schema(t *testing.T, plural string) *field {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("../../../config/crd/bases", "console-access.dev_"+plural+".yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var crd struct {
		Spec struct {
			Versions []struct {
				Schema struct{ OpenAPIV3Schema *field }
			}
		}
	}
	if err := yaml.Unmarshal(text, &crd); err != nil {
		t.Fatal(err)
	}
	return crd.Spec.Versions[0].Schema.OpenAPIV3Schema.Properties["spec"]
}

// What is exported must be accepted when it is applied.
func TestLimitsAreTheDefinitions(t *testing.T) {
	team, role := schema(t, "teams"), schema(t, "userroles")
	at := func(f *field, path string) *field {
		t.Helper()
		for name := range strings.SplitSeq(path, ".") {
			if name == "[]" {
				f = f.Items
			} else {
				f = f.Properties[name]
			}
			if f == nil {
				t.Fatalf("there is no field %s", path)
			}
		}
		return f
	}
	for _, tt := range []struct {
		what       string
		got, wants any
	}{
		{"team name", at(team, "name").MaxLength, maxTeamName},
		{"form of a team name", at(team, "name").has(unfitLine), true},
		{"form of a description", at(team, "description").has(unfitText), true},
		{"description", at(team, "description").MaxLength, maxDescription},
		{"members", at(team, "members").MaxItems, maxPeople},
		{"admins", at(team, "admins").MaxItems, maxPeople},
		{"address of an admin", at(team, "admins.[]").has(emailPattern), true},
		{"wrong address of an admin", at(team, "admins.[]").has(unfitEmail), true},
		{"form of a metric's name", at(team, "defaultGateMetrics.[].name").has(unfitLine), true},
		{"form of a metric's type", at(team, "defaultGateMetrics.[].type").has(unfitLine), true},
		{"form of an application", at(team, "defaultTargetApplications.[]").has(unfitLine), true},
		{"form of a holdout id", at(team, "defaultHoldoutID").has(unfitLine), true},
		{"gate metrics", at(team, "defaultGateMetrics").MaxItems, maxListed},
		{"primary metrics", at(team, "defaultExperimentPrimaryMetrics").MaxItems, maxListed},
		{"secondary metrics", at(team, "defaultExperimentSecondaryMetrics").MaxItems, maxListed},
		{"holdout metrics", at(team, "defaultHoldoutMetrics").MaxItems, maxListed},
		{"metric name", at(team, "defaultGateMetrics.[].name").MaxLength, maxMetricName},
		{"metric type", at(team, "defaultGateMetrics.[].type").MaxLength, maxMetricType},
		{"applications", at(team, "defaultTargetApplications").MaxItems, maxListed},
		{"application", at(team, "defaultTargetApplications.[]").MaxLength, maxApplication},
		{"holdout id", at(team, "defaultHoldoutID").MaxLength, maxHoldoutID},
		{"who may change", at(team, "changeTeamConfigs").Enum, changeTeamConfigs},
		{"who may approve", at(team, "reviewApproval").Enum, reviewApproval},
		{"address", at(role, "email").has(emailPattern), true},
		{"wrong address", at(role, "email").has(unfitEmail), true},
		{"form of a first name", at(role, "firstName").has(unfitLine), true},
		{"length of an address", at(role, "email").MaxLength, maxEmail},
		{"role", at(role, "role").MaxLength, maxRole},
		{"form of a role", at(role, "role").has(unfitLine), true},
		{"first name", at(role, "firstName").MaxLength, maxPersonName},
		{"last name", at(role, "lastName").MaxLength, maxPersonName},
	} {
		if !reflect.DeepEqual(tt.got, tt.wants) {
			t.Errorf("%s: the definition says %v, the export keeps to %v", tt.what, tt.got, tt.wants)
		}
	}
}
