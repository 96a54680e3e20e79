package monitoring

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/prometheus/prometheus/promql"

	"github.com/console-access/console-access-operator/test/monitoring/picture"
)

// pictureFile is made by `make dashboard-picture`.
var pictureFile = flag.String("picture", "", "draw the dashboard into this `file`, over some busy minutes")

const (
	// pictureScrape is the interval of scrapes for the picture, and the time
	// between two of its points.
	pictureScrape = 5 * time.Second
	pictureLasts  = 8 * time.Minute
	// pictureSize is the most that a picture may have, in bytes.
	pictureSize = 200_000
)

// draw draws the dashboard over a history, and so sees that every query of
// every panel has data.
func draw(t *testing.T, h *history, engine *promql.Engine) {
	t.Helper()
	b := board(t)
	run := picture.Run{Engine: engine, Storage: h.storage, From: h.first, To: h.last, Step: scrapeEvery, RateInterval: time.Minute}
	if *pictureFile != "" {
		run.Step, run.RateInterval = pictureScrape, picture.RateInterval(pictureScrape, pictureScrape)
	}
	results, err := run.Evaluate(t.Context(), b)
	if err != nil {
		t.Fatal(err)
	}
	svg := picture.Draw(b, results, run)
	if err := picture.Stale(bytes.NewReader(svg), b); err != nil {
		t.Error(err)
	}
	if *pictureFile != "" {
		if err := os.WriteFile(*pictureFile, svg, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestPictureIsTheDashboards: the documentation's picture has every panel as
// the dashboard has it now.
func TestPictureIsTheDashboards(t *testing.T) {
	svg := read(t, filepath.FromSlash("docs/images/dashboard.svg"))
	if err := picture.Stale(bytes.NewReader(svg), board(t)); err != nil {
		t.Errorf("draw it again with make dashboard-picture: %v", err)
	}
	if len(svg) > pictureSize {
		t.Errorf("the picture has %d bytes, want at most %d", len(svg), pictureSize)
	}
}

// A wave is people who get a role and a name, and teams of three, once there is
// the connection that they are to be managed through.
type wave struct {
	connection  string
	role, name  string
	first, last int // numbers of the console's people
	teams       []int
}

var waves = []wave{
	{"platform", "Member", "Ada", 3, 122, []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
	{"growth", "Member", "Ada", 163, 232, nil},
	{"support", "Member", "Ada", 253, 267, nil},
	{"research", "Member", "Ada", 273, 362, []int{11, 12, 13, 14, 15, 16}},
	{"research", "Read Only", "Ada", 401, 440, nil},
	{"sales", "Member", "Ada", 471, 570, nil},
}

func user(n int) string { return fmt.Sprintf("user%04d", n) }

// apply applies a wave's objects, which then wait for their connection.
func (w wave) apply(s *site) {
	for n := w.first; n <= w.last; n++ {
		s.applyAccess("UserRole", user(n), fmt.Sprintf("{connectionRef: {name: %s}, email: %s@example.com, role: %s, firstName: %s}",
			w.connection, user(n), w.role, w.name))
	}
	for _, n := range w.teams {
		s.applyAccess("Team", fmt.Sprintf("team-%d", n), fmt.Sprintf("{connectionRef: {name: %s}, members: [%s@example.com, %s@example.com], admins: [%s@example.com]}",
			w.connection, user(5*n), user(5*n+1), user(5*n+2)))
	}
}

// An event is something that happens at a time of the picture's.
type event struct {
	at time.Duration
	do func(*site)
}

// begins has the objects of a connection's waves looked at, all at once.
func begins(connection string) func(*site) {
	return func(s *site) { s.connectConsole(connection, `drift: {interval: 1m}, rateLimit: {group: production}`) }
}

// byHand changes people's roles in the console itself.
func byHand(role string, first, last int) func(*site) {
	return func(s *site) {
		for n := first; n <= last; n++ {
			s.atConsole(http.MethodPut, "/_sim/users/"+user(n)+"@example.com", `{"role":"`+role+`"}`)
		}
	}
}

// console changes how the console behaves.
func console(method, path, body string) func(*site) {
	return func(s *site) { s.atConsole(method, path, body) }
}

// busyMinutes are a roll-out, people who change things in the console, another
// client that uses up the console's limit, an outage, access that is taken away
// while much else waits, and in the end what fills most of the longest window.
var busyMinutes = []event{
	{10 * time.Second, begins("platform")},
	{90 * time.Second, byHand("Admin", 20, 33)},
	{135 * time.Second, console(http.MethodPost, "/_sim/faults", `{"effect":"too-many","retryAfter":"4","method":"POST","times":1}`)},
	{140 * time.Second, begins("growth")},
	{200 * time.Second, console(http.MethodPost, "/_sim/faults", `{"effect":"error"}`)},
	{205 * time.Second, begins("support")},
	{245 * time.Second, console(http.MethodDelete, "/_sim/faults", "")},
	{285 * time.Second, console(http.MethodPatch, "/_sim/behavior", `{"latency":"150ms"}`)},
	{290 * time.Second, begins("research")},
	{320 * time.Second, func(s *site) {
		for n := range 4 {
			s.deleteAccess("Team", fmt.Sprintf("team-%d", n+1))
		}
	}},
	{340 * time.Second, console(http.MethodPatch, "/_sim/behavior", `{"latency":"60ms"}`)},
	{345 * time.Second, console(http.MethodPost, "/_sim/faults", `{"effect":"too-many","retryAfter":"4","method":"POST","times":1}`)},
	{350 * time.Second, byHand("Read Only", 60, 99)},
	{400 * time.Second, begins("sales")},
	{420 * time.Second, byHand("Read Only", 163, 232)},
}

// busy has a manager live through them.
func busy(t *testing.T) *history {
	t.Helper()
	s := newSite(t, "--seed-users", "600", "--latency", "60ms")
	for _, w := range waves {
		w.apply(s)
	}
	h := newHistory(t)
	s.startManager(h)
	ctx, stop := context.WithTimeout(t.Context(), pictureLasts)
	defer stop()
	scraped := make(chan error, 1)
	go func() { scraped <- h.watch(ctx, t, s.metrics) }()
	begin := time.Now()
	for _, e := range busyMinutes {
		<-time.After(time.Until(begin.Add(e.at)))
		e.do(s)
	}
	if err := <-scraped; err != nil {
		t.Fatal(err)
	}
	return h
}

// watch scrapes the manager until a context ends.
func (h *history) watch(ctx context.Context, t *testing.T, url string) error {
	ticker := time.NewTicker(pictureScrape)
	defer ticker.Stop()
	for {
		if _, err := h.take(t, url); err != nil {
			return err
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return nil
		}
	}
}
