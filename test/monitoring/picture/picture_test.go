package picture

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql/promqltest"
)

const dashboard = "../../../config/grafana/console-access-operator.json"

// read reads the dashboard, after changes to its JSON.
func read(t *testing.T, changes ...string) (Board, error) {
	t.Helper()
	text, err := os.ReadFile(dashboard)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.NewReplacer(changes...).Replace(string(text))
	if len(changes) > 0 && changed == string(text) {
		t.Fatalf("the dashboard has none of %q", changes)
	}
	return Read([]byte(changed))
}

func TestReadRefusesWhatItWouldDrawWrongly(t *testing.T) {
	for _, change := range [][2]string{
		{`"unit": "cpm"`, `"unit": "furlongs"`},
		{`"type": "stat"`, `"type": "gauge"`},
		{`"drawStyle": "line"`, `"drawStyle": "bars"`},
		{`"lastNotNull"`, `"mean"`},
		{`"targets":`, `"goals":`},
	} {
		if _, err := read(t, change[0], change[1]); err == nil {
			t.Errorf("%s in place of %s is taken", change[1], change[0])
		}
	}
}

func TestFormat(t *testing.T) {
	none := 0
	for _, test := range []struct {
		unit     string
		v        float64
		decimals *int
		want     string
	}{
		{"short", 0, nil, "0"},
		{"short", 812, nil, "812"},
		{"short", 1250, nil, "1.25 K"},
		{"short", 3.0167, &none, "3"},
		{"percentunit", 0.2, nil, "20%"},
		{"percentunit", 0.987, &none, "99%"},
		{"cpm", 540, nil, "540 cpm"},
		{"ops", 0.5, nil, "0.5 ops/s"},
		{"s", 0, nil, "0 s"},
		{"s", 0.0025, nil, "2.5 ms"},
		{"s", 0.00002, nil, "20 µs"},
		{"s", 75, nil, "1.25 min"},
		{"bytes", 40 << 20, nil, "40 MiB"},
	} {
		if got := scales[test.unit].format(test.v, test.decimals); got != test.want {
			t.Errorf("%v in %s is %q, want %q", test.v, test.unit, got, test.want)
		}
	}
}

func TestGridlines(t *testing.T) {
	for _, test := range []struct {
		unit string
		span float64
		want float64
	}{
		{"percentunit", 1, 0.2}, {"short", 90, 20}, {"short", 5, 1}, {"short", 0.004, 0.001},
		{"s", 0.4, 0.1}, {"s", 20, 5}, {"s", 100, 30}, {"bytes", 90 << 20, 20 << 20},
	} {
		if got := scales[test.unit].step(test.span, 5); math.Abs(got-test.want) > test.want/1e6 {
			t.Errorf("gridlines over %v of %s are %v apart, want %v", test.span, test.unit, got, test.want)
		}
	}
}

func TestSimplifyKeepsWhatShows(t *testing.T) {
	var points []point
	for x := range 100 {
		y := 50.0
		if x == 40 {
			y = 10
		}
		points = append(points, point{float64(x), y})
	}
	want := "0 50l39 0 1-40 1 40 58 0"
	if got := path(simplify(points)); got != want {
		t.Errorf("a line with a peak is %s, want %s", got, want)
	}
}

// small is a dashboard of two panels that stand one beside the other.
const small = `{"title": "Small <board>", "templating": {"list": [{"name": "job", "label": "Job", "allValue": ".*"}]}, "panels": [
	{"id": 1, "type": "stat", "title": "Last", "gridPos": {"h": 4, "w": 12, "x": 0, "y": 0},
	 "targets": [{"expr": "max(last{job=~\"$job\"})", "instant": true}],
	 "fieldConfig": {"defaults": {"unit": "short", "mappings": [{"options": {"7": {"text": "seven"}}}]}},
	 "options": {"reduceOptions": {"calcs": ["lastNotNull"]}}},
	{"id": 2, "type": "timeseries", "title": "Rate", "gridPos": {"h": 8, "w": 12, "x": 12, "y": 0},
	 "targets": [{"expr": "rate(calls_total[$__rate_interval])", "legendFormat": "at {{pod}}"}],
	 "fieldConfig": {"defaults": {"unit": "ops", "custom": {"drawStyle": "line", "fillOpacity": 25, "stacking": {"mode": "normal"}}, "min": 0}}}]}`

// drawSmall draws it over ten minutes.
func drawSmall(t *testing.T, load string) (Board, []Result, []byte, error) {
	t.Helper()
	board, err := Read([]byte(small))
	if err != nil {
		t.Fatal(err)
	}
	run := Run{
		Engine: promqltest.NewTestEngine(t, false, 0, 1000000), Storage: promqltest.LoadedStorage(t, load),
		From: time.Unix(0, 0), To: time.Unix(600, 0), Step: 30 * time.Second, RateInterval: RateInterval(30*time.Second, 30*time.Second),
	}
	results, err := run.Evaluate(t.Context(), board)
	return board, results, Draw(board, results, run), err
}

// about rounds off what arithmetic adds.
func about(v float64) float64 { return math.Round(v*1e6) / 1e6 }

func TestDraw(t *testing.T) {
	board, results, svg, err := drawSmall(t, `
		load 30s
			last{job="a"} 1+0x10 7+0x20
			calls_total{pod="a"} 0+60x20
			calls_total{pod="b"} 0+30x20`)
	if err != nil {
		t.Fatal(err)
	}
	rate := results[1].Series
	if len(rate) != 2 || rate[1].Name != "at b" || len(rate[0].Values) != 21 || !math.IsNaN(rate[0].Values[0]) || about(rate[0].Values[20]) != 2 {
		t.Errorf("the rate is %+v", rate)
	}
	if tops, bottoms := stack(rate, true); about(bottoms[1][20]) != 2 || about(tops[1][20]) != 3 {
		t.Errorf("stacked, b goes from %v to %v, want from 2 to 3", bottoms[1][20], tops[1][20])
	}
	for _, want := range []string{">seven<", ">Small &lt;board&gt;<", ">at b<", ">Rate<", ">00:04<", ">3 ops/s<"} {
		if !bytes.Contains(svg, []byte(want)) {
			t.Errorf("the picture lacks %s:\n%s", want, svg)
		}
	}
	if err := Stale(bytes.NewReader(svg), board); err != nil {
		t.Errorf("a picture that has just been drawn: %v", err)
	}
}

func TestEvaluateNamesQueriesWithoutData(t *testing.T) {
	_, _, _, err := drawSmall(t, `
		load 30s
			last{job="a"} 1+0x20`)
	want := `panel 2 "Rate": no data for rate(calls_total[2m])`
	if err == nil || err.Error() != want {
		t.Errorf("a panel without data: %v, want %s", err, want)
	}
}

func TestStale(t *testing.T) {
	_, _, svg, _ := drawSmall(t, "load 30s")
	for _, test := range []struct {
		change func(*Board)
		want   string
	}{
		{func(b *Board) { b.Panels[1].Targets[0].Expr = "up" }, `panel 2 "Rate" was another when the picture was drawn`},
		{func(b *Board) { b.Panels[0].GridPos.X = 12 }, `panel 1 "Last" was another when the picture was drawn`},
		{func(b *Board) { b.Panels[1].ID = 3 }, "panel 3 \"Rate\" is not in the picture\npanel-2 is in the picture, but not in the dashboard"},
	} {
		var board Board
		if err := json.Unmarshal([]byte(small), &board); err != nil {
			t.Fatal(err)
		}
		test.change(&board)
		if err := Stale(bytes.NewReader(svg), board); fmt.Sprint(err) != test.want {
			t.Errorf("got %v, want %s", err, test.want)
		}
	}
}

func TestLegendHasRoom(t *testing.T) {
	var series []Series
	for i := range 12 {
		series = append(series, Series{Name: fmt.Sprintf("consoleconnection requeue_after %d", i)})
	}
	lines := legendLines(series, frame{w: 360, h: 264})
	last := lines[len(lines)-1]
	if len(lines) != 6 || last[len(last)-1].name != "… and 7 more" {
		t.Errorf("twelve long names make %d lines; the last is %v", len(lines), last)
	}
}
