package gitops

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// An outcome is what GitOps tools make of an object.
type outcome struct {
	argo    string
	kstatus status.Status
}

var (
	healthy     = outcome{"Healthy", status.CurrentStatus}
	progressing = outcome{"Progressing", status.InProgressStatus}
	degraded    = outcome{"Degraded", status.FailedStatus}
	// kstatus has no word for what somebody has suspended.
	suspended = outcome{"Suspended", status.InProgressStatus}
)

// expected is what each verdict of the operator has to mean.
var expected = map[verdict]outcome{
	{v1alpha1.ReasonSynced, condition.Ready}:                healthy,
	{v1alpha1.ReasonProgressing, condition.Working}:         progressing,
	{v1alpha1.ReasonRateLimited, condition.Working}:         progressing,
	{v1alpha1.ReasonConnectionNotReady, condition.Working}:  progressing,
	{v1alpha1.ReasonConnectionNotReady, condition.Stalled}:  degraded,
	{v1alpha1.ReasonNamespaceNotAllowed, condition.Stalled}: degraded,
	{v1alpha1.ReasonRoleNotAllowed, condition.Stalled}:      degraded,
	{v1alpha1.ReasonProtectedUser, condition.Stalled}:       degraded,
	{v1alpha1.ReasonLastAdmin, condition.Stalled}:           degraded,
	{v1alpha1.ReasonInvited, condition.Working}:             progressing,
	{v1alpha1.ReasonNameTaken, condition.Stalled}:           degraded,
	{v1alpha1.ReasonAlreadyExists, condition.Stalled}:       degraded,
	{v1alpha1.ReasonUserNotFound, condition.Working}:        progressing,
	{v1alpha1.ReasonRejected, condition.Stalled}:            degraded,
	{v1alpha1.ReasonUnauthorized, condition.Stalled}:        degraded,
	{v1alpha1.ReasonForbidden, condition.Stalled}:           degraded,
	{v1alpha1.ReasonConsoleUnavailable, condition.Working}:  progressing,
	{v1alpha1.ReasonInvalidAnnotation, condition.Stalled}:   degraded,
	{v1alpha1.ReasonDriftDetected, condition.Stalled}:       degraded,
	{v1alpha1.ReasonDeletionHeld, condition.Stalled}:        degraded,
	{v1alpha1.ReasonInUse, condition.Stalled}:               degraded,
	{v1alpha1.ReasonSuspended, condition.Paused}:            suspended,
}

// ofOnTime are reasons of the condition OnTime, which no tool judges by.
var ofOnTime = []string{v1alpha1.ReasonWithinQuota, v1alpha1.ReasonQuotaTooSmall}

// TestEveryVerdictIsExpected: what the operator can say and what is expected
// here are the same, so that a new reason is not forgotten.
func TestEveryVerdictIsExpected(t *testing.T) {
	found := given(t)
	for v := range found {
		if _, ok := expected[v]; !ok {
			t.Errorf("the operator says %s in state %d: add what Argo CD and Flux shall make of it", v.reason, v.state)
		}
	}
	for v := range expected {
		if !found[v] {
			t.Errorf("the operator never says %s in state %d: remove it here", v.reason, v.state)
		}
	}
	for name, reason := range documentedReasons(t) {
		said := slices.ContainsFunc(slices.Collect(maps.Keys(expected)), func(v verdict) bool { return v.reason == reason })
		if said == slices.Contains(ofOnTime, reason) {
			t.Errorf("%s is documented beside the types: add what Argo CD and Flux shall make of it", name)
		}
	}
}

// row is a row of the table in docs/gitops.md: two outcomes and the reasons.
var row = regexp.MustCompile("(?m)^\\| `(\\w+)` \\| `(\\w+)` \\| (.*) \\|$")

// TestDocumentedOutcomes: the table tells of each reason what is expected.
func TestDocumentedOutcomes(t *testing.T) {
	text, err := os.ReadFile(filepath.Join(root, "docs", "gitops.md"))
	if err != nil {
		t.Fatal(err)
	}
	documented := map[outcome][]string{}
	for _, found := range row.FindAllStringSubmatch(string(text), -1) {
		o := outcome{found[1], status.Status(found[2])}
		for _, quoted := range regexp.MustCompile("`(\\w+)`").FindAllStringSubmatch(found[3], -1) {
			documented[o] = append(documented[o], quoted[1])
		}
	}
	want := map[outcome][]string{}
	for v, o := range expected {
		want[o] = append(want[o], v.reason)
	}
	for o, reasons := range want {
		slices.Sort(reasons)
		slices.Sort(documented[o])
		if !slices.Equal(documented[o], reasons) {
			t.Errorf("docs/gitops.md names for %s and %s:\n%s\nwant:\n%s", o.argo, o.kstatus,
				strings.Join(documented[o], " "), strings.Join(reasons, " "))
		}
	}
}
