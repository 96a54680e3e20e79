package monitoring

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/rules"

	"github.com/console-access/console-access-operator/test/monitoring/picture"
)

const dashboard = "config/grafana/console-access-operator.json"

// board is the dashboard.
func board(t *testing.T) picture.Board {
	t.Helper()
	b, err := picture.Read(read(t, dashboard))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// queries are the dashboard's, by panel, and those of its variables.
func queries(t *testing.T) map[string][]string {
	t.Helper()
	b := board(t)
	resolve := func(expr string) string {
		resolved, err := b.Resolve(expr, "5m")
		if err != nil {
			t.Error(err)
		}
		return resolved
	}
	out := map[string][]string{}
	for _, p := range b.Panels {
		if len(out[p.Title]) > 0 && p.Type != picture.KindRow {
			t.Errorf("there are two panels %q", p.Title)
		}
		for _, target := range p.Targets {
			out[p.Title] = append(out[p.Title], resolve(target.Expr))
		}
	}
	for _, v := range b.Templating.List {
		if v.Type != "query" {
			continue
		}
		selector, label, ok := strings.Cut(strings.TrimSuffix(strings.TrimPrefix(v.Definition, "label_values("), ")"), ", ")
		if !ok || target[label] == "" {
			t.Errorf("the variable %s is %s, want label_values of a label of the target", v.Name, v.Definition)
		}
		out["variable "+v.Name] = []string{resolve(selector)}
	}
	return out
}

// asks are the metrics that an expression asks for, each with the labels that
// it is matched or grouped by.
func asks(t *testing.T, expr string) map[string]map[string]bool {
	t.Helper()
	parsed, err := promQL.ParseExpr(expr)
	if err != nil {
		t.Fatalf("parse %s: %v", expr, err)
	}
	out := map[string]map[string]bool{}
	parser.Inspect(parsed, func(node parser.Node, path []parser.Node) error {
		selector, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		if out[selector.Name] == nil {
			out[selector.Name] = map[string]bool{}
		}
		for _, m := range selector.LabelMatchers {
			out[selector.Name][m.Name] = true
		}
		for _, above := range path {
			if aggregate, ok := above.(*parser.AggregateExpr); ok {
				for _, label := range aggregate.Grouping {
					out[selector.Name][label] = true
				}
			}
		}
		return nil
	})
	return out
}

// TestQueriesAreAnswered: all that alerts and dashboard ask for is there when a
// real manager is scraped, every panel has something to show and is drawn, and
// every metric of the operator's own is shown.
func TestQueriesAreAnswered(t *testing.T) {
	h := live(t)
	shown := map[string]bool{}
	check := func(where, expr string) {
		for name, used := range asks(t, expr) {
			have, ok := h.labels[name]
			if !ok {
				t.Errorf("%s asks for %s, which the manager does not have", where, name)
			}
			for label := range used {
				if ok && !have[label] && target[label] == "" {
					t.Errorf("%s asks for the label %s, which %s does not have", where, label, name)
				}
			}
		}
	}
	for _, r := range alertingRules(t) {
		check(r.Alert, r.Expr)
	}
	engine := promqltest.NewTestEngine(t, false, 0, 1000000)
	query := rules.EngineQueryFunc(engine, h.storage)
	for title, exprs := range queries(t) {
		for _, expr := range exprs {
			check(title, expr)
			for name := range asks(t, expr) {
				shown[family(name)] = true
			}
			result, err := query(t.Context(), expr, h.last.Add(time.Millisecond))
			if err != nil {
				t.Errorf("%s: %v", title, err)
			}
			if len(result) == 0 {
				t.Errorf("%s shows nothing after all that has happened: %s", title, expr)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(h.labels)) {
		if strings.HasPrefix(name, "console_access_") && !shown[family(name)] {
			t.Errorf("%s is in no panel of the dashboard", name)
		}
	}
	draw(t, h, engine)
}

// family is the name of the histogram that a series belongs to, or its own.
func family(name string) string {
	for _, suffix := range []string{"_bucket", "_sum", "_count"} {
		name = strings.TrimSuffix(name, suffix)
	}
	return name
}

// TestPanelsDoNotOverlap: Grafana would move them.
func TestPanelsDoNotOverlap(t *testing.T) {
	type cell struct{ x, y int }
	taken := map[cell]string{}
	for _, p := range board(t).Panels {
		if p.GridPos.W == 0 || p.GridPos.X+p.GridPos.W > 24 {
			t.Errorf("%s is wider than the dashboard, or nothing", p.Title)
		}
		for x := range p.GridPos.W {
			for y := range p.GridPos.H {
				at := cell{p.GridPos.X + x, p.GridPos.Y + y}
				if other, ok := taken[at]; ok {
					t.Fatalf("%s and %s overlap", p.Title, other)
				}
				taken[at] = p.Title
			}
		}
	}
}
