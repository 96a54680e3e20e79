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
	Pattern    string
	Enum       []string
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
		{"form of a team name", at(team, "name").Pattern, namePattern},
		{"description", at(team, "description").MaxLength, maxDescription},
		{"members", at(team, "members").MaxItems, maxPeople},
		{"admins", at(team, "admins").MaxItems, maxPeople},
		{"address of an admin", at(team, "admins.[]").Pattern, emailPattern},
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
		{"address", at(role, "email").Pattern, emailPattern},
		{"length of an address", at(role, "email").MaxLength, maxEmail},
		{"role", at(role, "role").MaxLength, maxRole},
		{"form of a role", at(role, "role").Pattern, namePattern},
		{"first name", at(role, "firstName").MaxLength, maxPersonName},
		{"last name", at(role, "lastName").MaxLength, maxPersonName},
	} {
		if !reflect.DeepEqual(tt.got, tt.wants) {
			t.Errorf("%s: the definition says %v, the export keeps to %v", tt.what, tt.got, tt.wants)
		}
	}
}
