package monitoring

import "time"

// workers is what a process that leads has, and no other.
const workers = `controller_runtime_max_concurrent_reconciles{controller="consoleconnection",cluster="c"`

// alertTests are series, one sample a minute, and what fires at a time: the
// beginnings of labels and description, in order.
var alertTests = []struct {
	alert, name string
	series      string
	at          time.Duration
	want        []string
}{
	{
		alert: "ConsoleAccessOperatorAbsent", name: "gone for ten minutes", at: 26 * time.Minute,
		series: workers + `,pod="a"} 10x10`,
		want:   []string{`{controller="consoleconnection"} Prometheus has seen no working operator for 10 minutes`},
	},
	{
		alert: "ConsoleAccessOperatorAbsent", name: "another takes over", at: 60 * time.Minute,
		series: workers + `,pod="a"} 10x10
			` + workers + `,pod="b"} _x20 10x40`,
	},
	{
		alert: "ConsoleAccessSeveralOperators", name: "two for a quarter of an hour", at: 15 * time.Minute,
		series: workers + `,pod="a"} 10x30
			` + workers + `,pod="b"} 10x30`,
		want: []string{`{cluster="c"} 2 processes work at the same time.`},
	},
	{
		alert: "ConsoleAccessSeveralOperators", name: "a change of leader", at: 30 * time.Minute,
		series: workers + `,pod="a"} 10x10
			` + workers + `,pod="b"} _x10 10x20`,
	},
	{
		alert: "ConsoleAccessKeyRefused", name: "tried every ten minutes", at: 30 * time.Minute,
		series: `console_access_console_calls_total{endpoint="/users",method="GET",code="401"} 1x9 2x9 3x20`,
		want:   []string{`{} 2 calls were answered 401`},
	},
	{
		alert: "ConsoleAccessKeyRefused", name: "long repaired", at: 90 * time.Minute,
		series: `console_access_console_calls_total{endpoint="/users",method="GET",code="401"} 1x9 2x9 3x90
			console_access_console_calls_total{endpoint="/users",method="GET",code="200"} 0+1x110`,
	},
	{
		alert: "ConsoleAccessCallForbidden", name: "one kind of call", at: 30 * time.Minute,
		series: `console_access_console_calls_total{endpoint="/teams/{id}",method="DELETE",code="403"} 1x9 2x9 3x20
			console_access_console_calls_total{endpoint="/users",method="GET",code="200"} 0+1x40`,
		want: []string{`{endpoint="/teams/{id}", method="DELETE"} DELETE /teams/{id} was answered 403`},
	},
	{
		alert: "ConsoleAccessCallForbidden", name: "other refusals", at: 30 * time.Minute,
		series: `console_access_console_calls_total{endpoint="/users",method="GET",code="400"} 0+1x40`,
	},
	{
		alert: "ConsoleAccessConsoleUnavailable", name: "open for ten minutes", at: 15 * time.Minute,
		series: `console_access_quota_breaker_open{group="g"} 0x4 1x20
			console_access_quota_breaker_open{group="h"} 0x30`,
		want: []string{`{group="g"} Calls of the quota g keep failing`},
	},
	{
		alert: "ConsoleAccessConsoleUnavailable", name: "closed in between", at: 25 * time.Minute,
		series: `console_access_quota_breaker_open{group="g"} 0x4 1x8 0 1x9 0x10`,
	},
	{
		alert: "ConsoleAccessCallsFailing", name: "one in five", at: 31 * time.Minute,
		series: `console_access_console_calls_total{endpoint="/users",method="GET",code="200"} 0+8x60
			console_access_console_calls_total{endpoint="/users",method="GET",code="503"} 0+1x60
			console_access_console_calls_total{endpoint="/users",method="GET",code="0"} 0+1x60`,
		want: []string{`{} 20% of the calls got no answer`},
	},
	{
		alert: "ConsoleAccessCallsFailing", name: "one in twenty", at: 31 * time.Minute,
		series: `console_access_console_calls_total{endpoint="/users",method="GET",code="200"} 0+19x60
			console_access_console_calls_total{endpoint="/users",method="GET",code="503"} 0+1x60`,
	},
	{
		alert: "ConsoleAccessThrottled", name: "one in two minutes", at: 60 * time.Minute,
		series: `console_access_console_throttled_total 0+0.5x70`,
		want:   []string{`{} 30 answers 429 within an hour.`},
	},
	{
		alert: "ConsoleAccessThrottled", name: "the first dozen of another client", at: 60 * time.Minute,
		series: `console_access_console_throttled_total 0 12x70`,
	},
	{
		alert: "ConsoleAccessRevocationsWait", name: "longer than the longest window", at: 20 * time.Minute,
		series: `console_access_quota_waiting_calls{group="g",lane="revoke"} 1x30
			console_access_quota_waiting_calls{group="g",lane="change"} 1x30`,
		want: []string{`{group="g"} For 20 minutes there have always been calls of the quota g waiting`},
	},
	{
		alert: "ConsoleAccessRevocationsWait", name: "only changes wait", at: 20 * time.Minute,
		series: `console_access_quota_waiting_calls{group="g",lane="revoke"} 0x30
			console_access_quota_waiting_calls{group="g",lane="change"} 9x30`,
	},
	{
		alert: "ConsoleAccessBacklog", name: "an hour", at: 61 * time.Minute,
		series: `console_access_quota_waiting_calls{group="g",lane="change"} 3000-10x80`,
		want:   []string{`{group="g"} 2390 changes of the quota g wait for their turn.`},
	},
	{
		alert: "ConsoleAccessBacklog", name: "checks may wait", at: 61 * time.Minute,
		series: `console_access_quota_waiting_calls{group="g",lane="change"} 0x80
			console_access_quota_waiting_calls{group="g",lane="drift"} 40x80`,
	},
	{
		alert: "ConsoleAccessManyDrifts", name: "by kind", at: 60 * time.Minute,
		series: `console_access_drift_detected_total{kind="Team"} 0+0.5x70
			console_access_drift_detected_total{kind="UserRole"} 0+0.1x70`,
		want: []string{`{kind="Team"} 30 objects of kind Team were found changed`},
	},
	{
		alert: "ConsoleAccessManyDrifts", name: "now and then", at: 60 * time.Minute,
		series: `console_access_drift_detected_total{kind="Team"} 0+0.1x70`,
	},
	{
		alert: "ConsoleAccessDriftStays", name: "nothing is corrected", at: 8 * time.Hour,
		series: `console_access_drift_detected_total{kind="Team"} 0+0.05x500
			console_access_drift_corrected_total{kind="Team"} 0x500
			console_access_drift_detected_total{kind="UserRole"} 0+0.05x500
			console_access_drift_corrected_total{kind="UserRole"} 0+0.05x500`,
		want: []string{`{kind="Team"} 18 objects of kind Team were found changed`},
	},
	{
		alert: "ConsoleAccessDriftStays", name: "most are corrected", at: 8 * time.Hour,
		series: `console_access_drift_detected_total{kind="Team"} 0+0.05x500
			console_access_drift_corrected_total{kind="Team"} 0+0.04x500`,
	},
	{
		alert: "ConsoleAccessDeletionsHeld", name: "ten minutes", at: 10 * time.Minute,
		series: `console_access_objects{kind="Team",reason="DeletionHeld"} 0x3 490x20
			console_access_objects{kind="Team",reason="Synced"} 10x30`,
		want: []string{`{kind="Team"} 490 objects of kind Team are to be deleted`},
	},
	{
		alert: "ConsoleAccessDeletionsHeld", name: "approved at once", at: 10 * time.Minute,
		series: `console_access_objects{kind="Team",reason="DeletionHeld"} 0x3 490x2 0x20`,
	},
	{
		alert: "ConsoleAccessObjectsStalled", name: "two hours", at: 2 * time.Hour,
		series: `console_access_objects{kind="UserRole",reason="LastAdmin"} 1x150
			console_access_objects{kind="Team",reason="NameTaken"} 0x150`,
		want: []string{`{kind="UserRole", reason="LastAdmin"} 1 objects of kind UserRole have been LastAdmin for an hour.`},
	},
	{
		alert: "ConsoleAccessObjectsStalled", name: "what goes on by itself", at: 2 * time.Hour,
		series: `console_access_objects{kind="UserRole",reason="RateLimited"} 5000x150
			console_access_objects{kind="UserRole",reason="Invited"} 3x150
			console_access_objects{kind="UserRole",reason="Synced"} 100x150`,
	},
	{
		alert: "ConsoleAccessSlowToReady", name: "most take an hour", at: 90 * time.Minute,
		series: `console_access_time_to_ready_seconds_bucket{kind="Team",le="900"} 0x100
			console_access_time_to_ready_seconds_bucket{kind="Team",le="3600"} 0+1x100
			console_access_time_to_ready_seconds_bucket{kind="Team",le="+Inf"} 0+1x100
			console_access_time_to_ready_seconds_bucket{kind="UserRole",le="900"} 0+1x100
			console_access_time_to_ready_seconds_bucket{kind="UserRole",le="+Inf"} 0+1x100`,
		want: []string{`{kind="Team"} One in ten objects of kind Team took 55m 30s or longer`},
	},
	{
		alert: "ConsoleAccessSlowToReady", name: "one in twenty takes an hour", at: 90 * time.Minute,
		series: `console_access_time_to_ready_seconds_bucket{kind="Team",le="900"} 0+19x100
			console_access_time_to_ready_seconds_bucket{kind="Team",le="3600"} 0+20x100
			console_access_time_to_ready_seconds_bucket{kind="Team",le="+Inf"} 0+20x100`,
	},
	{
		alert: "ConsoleAccessReconcileErrors", name: "one in two minutes", at: 35 * time.Minute,
		series: `controller_runtime_reconcile_errors_total{controller="team"} 0+0.5x60
			controller_runtime_reconcile_errors_total{controller="userrole"} 0x60`,
		want: []string{`{controller="team"} The controller team has been failing`},
	},
	{
		alert: "ConsoleAccessReconcileErrors", name: "another operator's, and a restart of the API server", at: 35 * time.Minute,
		series: `controller_runtime_reconcile_errors_total{controller="pod"} 0+5x60
			controller_runtime_reconcile_errors_total{controller="team"} 0x10 8x50`,
	},
	{
		alert: "ConsoleAccessReconcilePanics", name: "one", at: 20 * time.Minute,
		series: `controller_runtime_reconcile_panics_total{controller="team"} 0x10 1x50`,
		want:   []string{`{controller="team"} The controller team panicked within the last hour.`},
	},
	{
		alert: "ConsoleAccessReconcilePanics", name: "none, but another operator's", at: 20 * time.Minute,
		series: `controller_runtime_reconcile_panics_total{controller="team"} 0x60
			controller_runtime_reconcile_panics_total{controller="pod"} 0x10 1x50`,
	},
}
