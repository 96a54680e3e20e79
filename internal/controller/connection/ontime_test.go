package connection

import (
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/quota"
)

// TestOnTime: the documented windows, of which the operator's share is 90 %:
// a quarter of 810 calls in 15m is 202.
func TestOnTime(t *testing.T) {
	windows := make([]quota.WindowStats, 2)
	windows[0].Per, windows[0].Limit = 10*time.Second, 90
	windows[1].Per, windows[1].Limit = 15*time.Minute, 810
	for _, test := range []struct {
		name   string
		change func(*v1alpha1.ConsoleConnectionSpec)
		reads  reads
		status metav1.ConditionStatus // "" for no condition
		says   string
	}{
		{name: "listings that fit", reads: reads{pages: 100}},
		{name: "the most pages that fit", reads: reads{pages: 134}},
		{
			name: "one page more", reads: reads{pages: 135}, status: metav1.ConditionFalse,
			says: "The listings of users and teams have 135 pages, which the quota's share for checks permits every 10m2s, not every 10m. Set spec.drift.interval to that, or raise spec.rateLimit.",
		},
		{
			name: "50,000 users and 5,000 teams", reads: reads{pages: 550}, status: metav1.ConditionFalse,
			says: "The listings of users and teams have 550 pages, which the quota's share for checks permits every 40m51s, not every 10m. Set spec.drift.interval to that, or raise spec.rateLimit.",
		},
		{
			name: "teams that fit", reads: reads{alone: 100, pages: 34}, status: metav1.ConditionTrue,
			says: "All teams are read within the drift interval.",
		},
		{
			name: "a team too many", reads: reads{alone: 101, pages: 34}, status: metav1.ConditionFalse,
			says: "101 teams have to be read one by one, which the quota's share for checks permits every 10m2s, not every 10m. Set spec.drift.interval to that, or raise spec.rateLimit.",
		},
		{
			name: "an interval that is long enough", reads: reads{pages: 550},
			change: func(c *v1alpha1.ConsoleConnectionSpec) { c.Drift.Interval.Duration = time.Hour },
		},
		{
			name: "reads that do not count", reads: reads{alone: 1000, pages: 550},
			change: func(c *v1alpha1.ConsoleConnectionSpec) { c.RateLimit.Counts = v1alpha1.CountsMutations },
		},
		{
			name: "drift that is ignored", reads: reads{alone: 1000, pages: 550},
			change: func(c *v1alpha1.ConsoleConnectionSpec) { c.Drift.Policy = v1alpha1.DriftIgnore },
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := &v1alpha1.ConsoleConnection{}
			c.Spec.Drift.Interval.Duration = 10 * time.Minute
			if test.change != nil {
				test.change(&c.Spec)
			}
			told := judgeTime(c, test.reads, windows)
			if told == nil {
				if test.status != "" {
					t.Fatalf("nothing is said, want %s: %s", test.status, test.says)
				}
				return
			}
			if told.Status != test.status || told.Message != test.says {
				t.Errorf("%s: %s\nwant %s: %s", told.Status, told.Message, test.status, test.says)
			}
		})
	}
}
