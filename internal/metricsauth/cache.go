package metricsauth

import (
	"maps"
	"net/http"
	"sync"
	"time"
)

// cache remembers verdicts for as long as their kind may be trusted.
type cache struct {
	now func() time.Time

	mu      sync.Mutex
	entries map[request]entry
}

type entry struct {
	verdict verdict
	until   time.Time
}

func (c *cache) get(req request) (verdict, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.entries[req]
	return e.verdict, ok && c.now().Before(e.until)
}

func (c *cache) put(req request, v verdict) {
	ttl := denyTTL
	if v.status == http.StatusOK {
		ttl = allowTTL
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.now()
	if len(c.entries) >= maxEntries {
		maps.DeleteFunc(c.entries, func(_ request, e entry) bool { return !t.Before(e.until) })
	}
	if len(c.entries) >= maxEntries {
		clear(c.entries)
	}
	c.entries[req] = entry{v, t.Add(ttl)}
}
