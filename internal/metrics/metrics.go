// Package metrics counts what the operator does in the console. No label holds
// the name of an object or a person's address.
package metrics

import (
	"maps"
	"strconv"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/console-access/console-access-operator/internal/quota"
)

const namespace = "console_access"

// Metrics are the operator's own metrics. Make them with [New].
type Metrics struct {
	calls     *prometheus.CounterVec
	latency   *prometheus.HistogramVec
	throttled prometheus.Counter
	drift     *prometheus.CounterVec
	corrected *prometheus.CounterVec
	ready     *prometheus.HistogramVec
	wait      *prometheus.HistogramVec
	limit     *prometheus.Desc
	used      *prometheus.Desc
	waiting   *prometheus.Desc
	breaker   *prometheus.Desc
	objects   *prometheus.Desc
	mu        sync.Mutex
	limiters  map[string]*quota.Limiter
	count     func() map[Standing]int
}

// A Standing is what objects have in common that are counted together.
type Standing struct {
	Kind string
	// Reason is that of the Ready condition.
	Reason string
}

// New registers the metrics.
func New(registry prometheus.Registerer) *Metrics {
	short := []float64{.01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30}
	long := []float64{.01, .05, .1, .5, 1, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600}
	m := &Metrics{
		calls: counter("console_calls_total", "HTTP attempts to the console; code is 0 when no answer came.", "endpoint", "method", "code"),
		latency: histogram("console_call_duration_seconds", "Time from sending a call to its answer, without the wait for the quota.",
			short, "endpoint", "method"),
		throttled: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "console_throttled_total",
			Help: "Answers 429 of the console."}),
		drift:     counter("drift_detected_total", "Objects found to differ from the console without a change of their spec.", "kind"),
		corrected: counter("drift_corrected_total", "Objects whose drift was written away.", "kind"),
		ready:     histogram("time_to_ready_seconds", "Time from first seeing a generation of a spec to Ready.", long, "kind"),
		wait:      histogram("quota_wait_seconds", "Time that calls which had to wait did wait for their turn in the quota.", long, "lane"),
		limit:     desc("quota_limit_requests", "Requests that the operator may make in a window.", "group", "window"),
		used:      desc("quota_used_requests", "Requests made in a window, those under way included.", "group", "window"),
		waiting:   desc("quota_waiting_calls", "Calls that wait for their turn.", "group", "lane"),
		breaker:   desc("quota_breaker_open", "1 while the console keeps failing and is only tried with one call at a time.", "group"),
		objects:   desc("objects", "Objects by the reason of their Ready condition; none from a process that does not lead.", "kind", "reason"),
		limiters:  map[string]*quota.Limiter{},
	}
	// A counter that begins at 1 looks to Prometheus as if nothing had happened.
	for _, kind := range []string{"Team", "UserRole"} {
		m.drift.WithLabelValues(kind)
		m.corrected.WithLabelValues(kind)
	}
	registry.MustRegister(m.calls, m.latency, m.throttled, m.drift, m.corrected, m.ready, m.wait, m)
	return m
}

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(prometheus.BuildFQName(namespace, "", name), help, labels, nil)
}

// Called counts one HTTP attempt. endpoint is a path template.
func (m *Metrics) Called(endpoint, method string, status int, took time.Duration) {
	m.calls.WithLabelValues(endpoint, method, strconv.Itoa(status)).Inc()
	m.latency.WithLabelValues(endpoint, method).Observe(took.Seconds())
	if status == 429 {
		m.throttled.Inc()
	}
}

// Waited notes how long a call waited for its turn.
func (m *Metrics) Waited(lane quota.Lane, waited time.Duration) {
	m.wait.WithLabelValues(lane.String()).Observe(waited.Seconds())
}

// DriftDetected counts an object that differs from the console unasked.
func (m *Metrics) DriftDetected(kind string) { m.drift.WithLabelValues(kind).Inc() }

// DriftCorrected counts an object whose drift was written away.
func (m *Metrics) DriftCorrected(kind string) { m.corrected.WithLabelValues(kind).Inc() }

// Ready notes how long it took from first seeing a spec to Ready.
func (m *Metrics) Ready(kind string, took time.Duration) {
	m.ready.WithLabelValues(kind).Observe(took.Seconds())
}

// Watch has the limiter of a quota group shown; nil: no longer.
func (m *Metrics) Watch(group string, l *quota.Limiter) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l == nil {
		delete(m.limiters, group)
		return
	}
	m.limiters[group] = l
}

// Count sets how objects are counted; it is asked at each scrape.
func (m *Metrics) Count(count func() map[Standing]int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.count = count
}

// Describe implements [prometheus.Collector].
func (m *Metrics) Describe(ch chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{m.limit, m.used, m.waiting, m.breaker, m.objects} {
		ch <- d
	}
}

// Collect implements [prometheus.Collector].
func (m *Metrics) Collect(ch chan<- prometheus.Metric) {
	// Without the lock: what counts the objects may wait for the cache, and nobody
	// who begins a quota waits for that.
	m.mu.Lock()
	limiters, count := maps.Clone(m.limiters), m.count
	m.mu.Unlock()
	gauge := func(d *prometheus.Desc, value float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, value, labels...)
	}
	for group, limiter := range limiters {
		stats := limiter.Stats()
		for _, w := range stats.Windows {
			gauge(m.limit, float64(w.Limit), group, w.Per.String())
			gauge(m.used, float64(w.Used), group, w.Per.String())
		}
		for lane, n := range stats.Waiting {
			gauge(m.waiting, float64(n), group, quota.Lane(lane).String())
		}
		open := 0.0
		if stats.Breaker != quota.BreakerClosed {
			open = 1
		}
		gauge(m.breaker, open, group)
	}
	if count == nil {
		return
	}
	for s, n := range count() {
		gauge(m.objects, float64(n), s.Kind, s.Reason)
	}
}
