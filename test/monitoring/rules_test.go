package monitoring

import (
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/rulefmt"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"
	"sigs.k8s.io/yaml"
)

// evaluateEvery is how often Prometheus evaluates rules when nobody says
// otherwise.
const evaluateEvery = time.Minute

var promQL = parser.NewParser(parser.Options{})

// alertingRules reads the rules of config/prometheus as Prometheus does, which
// refuses fields, expressions and templates that it does not know.
func alertingRules(t *testing.T) []rulefmt.Rule {
	t.Helper()
	var manifest struct {
		Spec map[string]any `json:"spec"`
	}
	if err := yaml.Unmarshal(read(t, "config/prometheus/rules.yaml"), &manifest); err != nil {
		t.Fatal(err)
	}
	text, err := yaml.Marshal(manifest.Spec)
	if err != nil {
		t.Fatal(err)
	}
	groups, errs := rulefmt.Parse(text, false, model.UTF8Validation, promQL, slog.New(slog.DiscardHandler))
	for _, err := range errs {
		t.Errorf("config/prometheus/rules.yaml: %v", err)
	}
	if len(errs) > 0 {
		t.FailNow()
	}
	var all []rulefmt.Rule
	for _, g := range groups.Groups {
		all = append(all, g.Rules...)
	}
	return all
}

// fires evaluates an alert as Prometheus does, once a minute until a time, and
// returns what fires then, each as its labels and its description.
func fires(t *testing.T, r rulefmt.Rule, series string, until time.Duration) []string {
	t.Helper()
	storage := promqltest.LoadedStorage(t, "load 1m\n"+indent(series))
	query := rules.EngineQueryFunc(promqltest.NewTestEngine(t, false, 0, 10000), storage)
	expr, err := promQL.ParseExpr(r.Expr)
	if err != nil {
		t.Fatal(err)
	}
	rule := rules.NewAlertingRule(r.Alert, expr, time.Duration(r.For), time.Duration(r.KeepFiringFor), labels.FromMap(r.Labels),
		labels.FromMap(r.Annotations), labels.EmptyLabels(), "", true, slog.New(slog.DiscardHandler))
	for at := time.Duration(0); at <= until; at += evaluateEvery {
		if _, err := rule.Eval(t.Context(), 0, time.Unix(0, 0).UTC().Add(at), query, &url.URL{}, 0); err != nil {
			t.Fatalf("evaluate after %v: %v", at, err)
		}
	}
	var out []string
	for _, alert := range rule.ActiveAlerts() {
		if alert.State != rules.StateFiring {
			continue
		}
		about := labels.NewBuilder(alert.Labels).Del(labels.AlertName, "severity").Labels()
		description := alert.Annotations.Get("description")
		if strings.Contains(description, "<error") {
			t.Errorf("the template of the description fails: %s", description)
		}
		out = append(out, fmt.Sprintf("%v %s", about, description))
	}
	slices.Sort(out)
	return out
}

// indent makes series of a test those of a load command.
func indent(series string) string {
	var b strings.Builder
	for line := range strings.Lines(series) {
		if line = strings.TrimSpace(line); line != "" {
			b.WriteString("  " + line + "\n")
		}
	}
	return b.String()
}

// TestAlerts has every alert fire, and stay quiet just before.
func TestAlerts(t *testing.T) {
	all := alertingRules(t)
	loud, quiet := map[string]bool{}, map[string]bool{}
	for _, tt := range alertTests {
		t.Run(tt.alert+"/"+tt.name, func(t *testing.T) {
			i := slices.IndexFunc(all, func(r rulefmt.Rule) bool { return r.Alert == tt.alert })
			if i < 0 {
				t.Fatal("there is no such alert")
			}
			got := fires(t, all[i], tt.series, tt.at)
			if len(got) != len(tt.want) {
				t.Fatalf("%d alerts fire, want %d: %q", len(got), len(tt.want), got)
			}
			for k, want := range tt.want {
				if !strings.HasPrefix(got[k], want) {
					t.Errorf("fires as\n%s\nwant\n%s", got[k], want)
				}
			}
		})
		if len(tt.want) > 0 {
			loud[tt.alert] = true
		} else {
			quiet[tt.alert] = true
		}
	}
	for _, r := range all {
		if !loud[r.Alert] || !quiet[r.Alert] {
			t.Errorf("%s needs a test in which it fires and one in which it does not", r.Alert)
		}
	}
}
