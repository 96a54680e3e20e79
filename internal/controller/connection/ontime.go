package connection

import (
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/controller/access"
	"github.com/console-access/console-access-operator/internal/quota"
)

// driftShare is the part of every window that checks may use while others wait.
const driftShare = 4

// onTime tells whether all that has to be read once in a drift interval can be.
func onTime(c *v1alpha1.ConsoleConnection, link *access.Link, status *v1alpha1.ConsoleConnectionStatus) {
	p := link.Project
	told := judgeTime(c, reads{alone: p.PlannedChecks(), pages: p.UsersRead().Pages + p.TeamsRead().Pages}, p.Limiter().Stats().Windows)
	if told == nil {
		meta.RemoveStatusCondition(&status.Conditions, v1alpha1.OnTimeCondition)
		return
	}
	meta.SetStatusCondition(&status.Conditions, *told)
}

// reads are the requests that one drift interval takes.
type reads struct {
	alone int // teams that have to be read one by one
	pages int // of the listings of users and teams
}

// judgeTime returns nil where there is nothing to tell: no team has to be read
// alone, and the listings fit.
func judgeTime(c *v1alpha1.ConsoleConnection, r reads, windows []quota.WindowStats) *metav1.Condition {
	if c.Spec.RateLimit.Counts == v1alpha1.CountsMutations || c.Spec.Drift.Policy == v1alpha1.DriftIgnore {
		return nil
	}
	needed, interval := achievable(r.alone+r.pages, windows), access.Interval(c)
	told := &metav1.Condition{Type: v1alpha1.OnTimeCondition, Status: metav1.ConditionTrue, ObservedGeneration: c.Generation,
		Reason: v1alpha1.ReasonWithinQuota, Message: "All teams are read within the drift interval."}
	switch {
	case needed > interval:
		what := fmt.Sprintf("%d teams have to be read one by one", r.alone)
		if r.alone == 0 {
			what = fmt.Sprintf("The listings of users and teams have %d pages", r.pages)
		}
		told.Status, told.Reason = metav1.ConditionFalse, v1alpha1.ReasonQuotaTooSmall
		told.Message = fmt.Sprintf("%s, which the quota's share for checks permits every %s, not every %s. Set spec.drift.interval to that, or raise spec.rateLimit.",
			what, short(needed.Truncate(time.Second)+time.Second), short(interval))
	case r.alone == 0:
		return nil
	}
	return told
}

// achievable is the least time in which so many checks can be made.
func achievable(checks int, windows []quota.WindowStats) time.Duration {
	var needed time.Duration
	for _, w := range windows {
		share := max(1, w.Limit/driftShare)
		needed = max(needed, time.Duration(float64(checks)/float64(share)*float64(w.Per)))
	}
	return needed
}
