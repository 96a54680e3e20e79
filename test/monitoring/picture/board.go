// Package picture draws a Grafana dashboard as an SVG: its panels where it has
// them, with what their queries answer over a time. It knows what this
// project's dashboard uses of Grafana, and refuses the rest.
package picture

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Kinds of panels, as the dashboard's JSON calls them.
const (
	KindRow        = "row"
	KindStat       = "stat"
	KindTimeSeries = "timeseries"
)

// A Board is what is drawn of a dashboard.
type Board struct {
	Title      string  `json:"title"`
	Panels     []Panel `json:"panels"`
	Templating struct {
		List []Variable `json:"list"`
	} `json:"templating"`
}

// A Variable is something that a person chooses above the panels.
type Variable struct {
	Name       string `json:"name"`
	Label      string `json:"label"`
	Type       string `json:"type"`
	Definition string `json:"definition"`
	// AllValue stands for the variable when all is chosen.
	AllValue string `json:"allValue"`
}

// A Panel is one of the dashboard's, as far as it is drawn.
type Panel struct {
	ID          int      `json:"id"`
	Type        string   `json:"type"`
	Title       string   `json:"title"`
	GridPos     GridPos  `json:"gridPos"`
	Targets     []Target `json:"targets"`
	FieldConfig struct {
		Defaults Field `json:"defaults"`
	} `json:"fieldConfig"`
	Options struct {
		ReduceOptions struct {
			Calcs []string `json:"calcs"`
		} `json:"reduceOptions"`
	} `json:"options"`
}

// GridPos is a panel's place: in columns, of which there are 24, and in rows.
type GridPos struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// A Target is a query and how what it answers is named.
type Target struct {
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat"`
	Instant      bool   `json:"instant"`
}

// A Field says how values are shown.
type Field struct {
	Unit       string   `json:"unit"`
	Decimals   *int     `json:"decimals"`
	Min        *float64 `json:"min"`
	Max        *float64 `json:"max"`
	Thresholds struct {
		Steps []Threshold `json:"steps"`
	} `json:"thresholds"`
	Mappings []struct {
		Options map[string]struct {
			Text string `json:"text"`
		} `json:"options"`
	} `json:"mappings"`
	Custom struct {
		DrawStyle   string  `json:"drawStyle"`
		FillOpacity float64 `json:"fillOpacity"`
		Stacking    struct {
			Mode string `json:"mode"`
		} `json:"stacking"`
		ThresholdsStyle struct {
			Mode string `json:"mode"`
		} `json:"thresholdsStyle"`
	} `json:"custom"`
}

// A Threshold is where a color begins; one without a value, from the least on.
type Threshold struct {
	Color string   `json:"color"`
	Value *float64 `json:"value"`
}

// Read reads a dashboard's JSON. It is an error if it uses something of
// Grafana's that would be drawn wrongly.
func Read(text []byte) (Board, error) {
	var b Board
	if err := json.Unmarshal(text, &b); err != nil {
		return Board{}, fmt.Errorf("read the dashboard: %w", err)
	}
	var wrong []error
	for _, p := range b.Panels {
		if err := p.check(); err != nil {
			wrong = append(wrong, fmt.Errorf("panel %d %q: %w", p.ID, p.Title, err))
		}
	}
	return b, errors.Join(wrong...)
}

func (p Panel) check() error {
	field := p.FieldConfig.Defaults
	calcs := p.Options.ReduceOptions.Calcs
	switch {
	case p.Type == KindRow:
		return nil
	case p.Type == KindStat && !slices.Equal(calcs, []string{"lastNotNull"}):
		return fmt.Errorf("shows %q of its values; package picture knows lastNotNull alone", calcs)
	case p.Type == KindTimeSeries && field.Custom.DrawStyle != "line":
		return fmt.Errorf("is drawn as %q; package picture knows line", field.Custom.DrawStyle)
	case p.Type != KindStat && p.Type != KindTimeSeries:
		return fmt.Errorf("is a %q; package picture knows %s, %s and %s", p.Type, KindRow, KindStat, KindTimeSeries)
	case scales[field.Unit] == nil:
		return fmt.Errorf("has the unit %q, which package picture does not know", field.Unit)
	case len(p.Targets) == 0:
		return errors.New("has no query")
	}
	return nil
}

// Resolve puts into an expression what Grafana puts in place of variables when
// all is chosen.
func (b Board) Resolve(expr, rateInterval string) (string, error) {
	pairs := []string{"$__rate_interval", rateInterval}
	for _, v := range b.Templating.List {
		if v.AllValue != "" {
			pairs = append(pairs, "$"+v.Name, v.AllValue)
		}
	}
	resolved := strings.NewReplacer(pairs...).Replace(expr)
	if strings.Contains(resolved, "$") {
		return "", fmt.Errorf("a variable of %s is unknown", expr)
	}
	return resolved, nil
}

// digest stands for all that decides how a panel is drawn but the metrics.
func (p Panel) digest() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(err) // it has just been read from JSON
	}
	return fmt.Sprintf("%x", sha256.Sum256(text))[:12]
}
