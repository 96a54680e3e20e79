package picture

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/storage"
)

// A Run is where, and over which time, a dashboard's queries are answered.
type Run struct {
	Engine  *promql.Engine
	Storage storage.Queryable
	// From and To are the time that is shown.
	From, To time.Time
	// Step is the time between two points.
	Step time.Duration
	// RateInterval stands for $__rate_interval.
	RateInterval time.Duration
}

// RateInterval is what Grafana puts in place of $__rate_interval, by
// https://grafana.com/docs/grafana/latest/datasources/prometheus/template-variables/:
// enough for four scrapes, and for one more than a step has.
func RateInterval(step, scrape time.Duration) time.Duration {
	return max(step+scrape, 4*scrape)
}

// A Series has a value for each step, NaN where there is none.
type Series struct {
	Name   string
	Values []float64
}

// A Result is a panel and what its queries answered. A stat's series have one
// value.
type Result struct {
	Panel  Panel
	Series []Series
}

// Evaluate answers the queries of all panels. It is an error if one has no
// data; the results of the others are returned nevertheless.
func (r Run) Evaluate(ctx context.Context, b Board) ([]Result, error) {
	var results []Result
	var wrong []error
	for _, p := range b.Panels {
		result := Result{Panel: p}
		for _, target := range p.Targets {
			series, err := r.answer(ctx, b, target)
			if err != nil {
				wrong = append(wrong, fmt.Errorf("panel %d %q: %w", p.ID, p.Title, err))
			}
			result.Series = append(result.Series, series...)
		}
		results = append(results, result)
	}
	return results, errors.Join(wrong...)
}

func (r Run) answer(ctx context.Context, b Board, target Target) ([]Series, error) {
	expr, err := b.Resolve(target.Expr, model.Duration(r.RateInterval).String())
	if err != nil {
		return nil, err
	}
	from := r.From
	if target.Instant {
		from = r.To
	}
	query, err := r.Engine.NewRangeQuery(ctx, r.Storage, nil, expr, from, r.To, r.Step)
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", expr, err)
	}
	defer query.Close()
	answer := query.Exec(ctx)
	matrix, err := answer.Matrix()
	if err != nil {
		return nil, fmt.Errorf("query %s: %w", expr, err)
	}
	var all []Series
	data := false
	for _, s := range matrix {
		one := Series{Name: legend(target.LegendFormat, s.Metric), Values: make([]float64, 1+int(r.To.Sub(from)/r.Step))}
		for i := range one.Values {
			one.Values[i] = math.NaN()
		}
		for _, point := range s.Floats {
			at := time.UnixMilli(point.T).Sub(time.UnixMilli(from.UnixMilli()))
			if finite := !math.IsNaN(point.F) && !math.IsInf(point.F, 0); finite {
				one.Values[int(at/r.Step)], data = point.F, true
			}
		}
		all = append(all, one)
	}
	if !data {
		return nil, fmt.Errorf("no data for %s", expr)
	}
	return all, nil
}

// legend puts labels into a legend's format.
func legend(format string, metric labels.Labels) string {
	var pairs []string
	metric.Range(func(l labels.Label) { pairs = append(pairs, "{{"+l.Name+"}}", l.Value) })
	return strings.NewReplacer(pairs...).Replace(format)
}
