package integration

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/test/harness"
)

// TestSamples: what config/samples holds is accepted to the last field, becomes
// Ready, and is in the console.
func TestSamples(t *testing.T) {
	e := harness.Shared(t, harness.Options{Unconnected: true})
	strict := client.WithFieldValidation(e.Client(), metav1.FieldValidationStrict)
	var objects []client.Object
	for _, sample := range e.Samples(e.Namespace) {
		if err := strict.Create(t.Context(), sample); err != nil {
			t.Fatalf("create %s %s: %v", sample.GetKind(), sample.GetName(), err)
		}
		objects = append(objects, harness.Typed(t, sample))
	}
	e.WaitReady(objects...)
	if growth := e.TeamNamed("Growth"); growth.ReviewApproval != "team_only" {
		t.Errorf("team %+v, want its reviews approved by the team alone", growth)
	}
	e.TeamNamed("platform")
	e.WantRole("edsger@example.com", "Member")
}
