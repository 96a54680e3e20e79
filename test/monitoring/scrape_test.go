package monitoring

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/model/value"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/teststorage"
)

const scrapeEvery = 250 * time.Millisecond

// target are the labels that Prometheus gives to what it scrapes through the
// ServiceMonitor. An alert may further group by a label of its installation.
var target = map[string]string{
	"namespace": namespace, "job": "console-access-controller-manager-metrics-service", "pod": "manager-0", "instance": "10.0.0.1:8443",
	"cluster": "test",
}

// A scrape is what the manager's metrics were at one time.
type scrape map[string]float64

// A history is all that was scraped.
type history struct {
	storage *teststorage.TestStorage
	// labels are those that each metric was seen with.
	labels map[string]map[string]bool
	// present are the series of the last scrape.
	present map[string]labels.Labels
	// first and last are the times of the first and the last scrape.
	first, last time.Time
}

func newHistory(t *testing.T) *history {
	return &history{storage: teststorage.New(t), labels: map[string]map[string]bool{}}
}

// take scrapes the manager once, as Prometheus does.
func (h *history) take(t *testing.T, url string) (scrape, error) {
	answer, err := http.Get(url)
	if err != nil {
		return nil, err
	}
	defer func() { _ = answer.Body.Close() }()
	text, err := io.ReadAll(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %w", answer.Status, err)
	}
	parser, err := textparse.New(text, answer.Header.Get("Content-Type"), nil, textparse.ParserOptions{IgnoreNativeHistograms: true})
	if err != nil {
		return nil, err
	}
	h.last = time.Now()
	if h.first.IsZero() {
		h.first = h.last
	}
	appender, before := h.storage.Appender(t.Context()), h.present
	h.present = map[string]labels.Labels{}
	out := scrape{}
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return out, errors.Join(h.end(appender, before), appender.Commit())
		}
		if err != nil {
			return nil, err
		}
		if entry == textparse.EntrySeries {
			_, _, value := parser.Series()
			var series labels.Labels
			parser.Labels(&series)
			if err := h.append(appender, series, value); err != nil {
				return nil, err
			}
			out[series.String()] += value
		}
	}
}

// append stores a sample as Prometheus does: with the target's labels.
func (h *history) append(appender storage.Appender, series labels.Labels, value float64) error {
	name := series.Get(model.MetricNameLabel)
	if h.labels[name] == nil {
		h.labels[name] = map[string]bool{}
	}
	series.Range(func(l labels.Label) { h.labels[name][l.Name] = true })
	full := labels.NewBuilder(series)
	for label, value := range target {
		full.Set(label, value)
	}
	h.present[full.Labels().String()] = full.Labels()
	_, err := appender.Append(0, full.Labels(), h.last.UnixMilli(), value)
	return err
}

// end marks the series of the scrape before that are there no more, as
// Prometheus does.
func (h *history) end(appender storage.Appender, before map[string]labels.Labels) error {
	for name, series := range before {
		if _, ok := h.present[name]; ok {
			continue
		}
		if _, err := appender.Append(0, series, h.last.UnixMilli(), math.Float64frombits(value.StaleNaN)); err != nil {
			return err
		}
	}
	return nil
}

// sum adds up the values of a metric's series that have a label.
func (s scrape) sum(t *testing.T, selector string) float64 {
	t.Helper()
	matchers, err := promQL.ParseMetricSelector(selector)
	if err != nil {
		t.Fatal(err)
	}
	total := 0.0
	for text, value := range s {
		series, err := promQL.ParseMetric(text)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return !m.Matches(series.Get(m.Name)) }) {
			total += value
		}
	}
	return total
}

// until scrapes again and again until something holds of each selector's sum.
func (h *history) until(t *testing.T, s *site, selectors map[string]float64) {
	t.Helper()
	deadline := time.After(patience)
	ticker := time.NewTicker(scrapeEvery)
	defer ticker.Stop()
	for {
		now, err := h.take(t, s.metrics)
		missing := ""
		for selector, least := range selectors {
			if have := now.sum(t, selector); err == nil && have < least {
				missing += fmt.Sprintf("\n%s is %v, want %v", selector, have, least)
			}
		}
		if err == nil && missing == "" {
			return
		}
		select {
		case <-ticker.C:
		case <-deadline:
			t.Fatalf("not after %v: %v%s", patience, err, missing)
		}
	}
}

// live has a manager do everything that its metrics tell about, and returns
// what Prometheus saw of it: quickly, or, when a picture is wanted, over some
// busy minutes.
func live(t *testing.T) *history {
	t.Helper()
	if *pictureFile != "" {
		return busy(t)
	}
	s := newSite(t, "--seed-users", "30", "--window", "1000/1s")
	h := newHistory(t)
	s.startManager(h)
	s.connectConsole("default", `drift: {interval: 1s}, rateLimit: {windows: [{requests: 10, per: 2s}]}`)
	s.applyAccess("Team", "growth", `{members: [user0003@example.com], admins: [user0004@example.com]}`)
	for n := 3; n <= 20; n++ {
		s.applyAccess("UserRole", fmt.Sprintf("user%04d", n), fmt.Sprintf(`{email: user%04d@example.com, role: "Read Only"}`, n))
	}
	h.until(t, s, map[string]float64{
		`console_access_time_to_ready_seconds_count{kind="Team"}`:     1,
		`console_access_time_to_ready_seconds_count{kind="UserRole"}`: 18,
		`console_access_quota_wait_seconds_count{}`:                   1,
		`console_access_objects{kind="UserRole",reason="Synced"}`:     18,
	})
	s.atConsole(http.MethodPut, "/_sim/users/user0003@example.com", `{"role":"Member"}`)
	h.until(t, s, map[string]float64{`console_access_drift_corrected_total{kind="UserRole"}`: 1})
	s.atConsole(http.MethodPost, "/_sim/faults", `{"effect":"error","times":1}`)
	s.atConsole(http.MethodPost, "/_sim/faults", `{"effect":"too-many","retryAfter":"1","times":1}`)
	h.until(t, s, map[string]float64{
		`console_access_console_calls_total{code="503"}`: 1,
		`console_access_console_throttled_total`:         1,
	})
	calls := `console_access_console_calls_total{code="200"}`
	now, err := h.take(t, s.metrics)
	if err != nil {
		t.Fatal(err)
	}
	h.until(t, s, map[string]float64{calls: now.sum(t, calls) + 1})
	return h
}
