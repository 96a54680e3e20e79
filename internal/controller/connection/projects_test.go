package connection

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/quota"
)

func windows(pairs ...int) (out []quota.Window) {
	for i := 0; i < len(pairs); i += 2 {
		out = append(out, quota.Window{Requests: pairs[i], Per: time.Duration(pairs[i+1]) * time.Second})
	}
	return out
}

func TestConfigOf(t *testing.T) {
	limit := func(share int32, counts v1alpha1.Counts, requests ...int32) *v1alpha1.RateLimit {
		l := &v1alpha1.RateLimit{Share: share, Counts: counts}
		for _, n := range requests {
			l.Windows = append(l.Windows, v1alpha1.RateLimitWindow{Requests: n, Per: metav1.Duration{Duration: 10 * time.Second}})
		}
		return l
	}
	tests := []struct {
		name  string
		limit *v1alpha1.RateLimit
		want  quota.Config
	}{
		{"default share", limit(0, "", 100), quota.Config{Share: 100, Windows: windows(90, 10)}},
		{"rounded down", limit(33, v1alpha1.CountsAll, 10), quota.Config{Share: 100, Windows: windows(3, 10)}},
		{"at least one", limit(1, v1alpha1.CountsMutations, 10), quota.Config{Share: 100, MutationsOnly: true, Windows: windows(1, 10)}},
		{"all of it", limit(100, v1alpha1.CountsAll, 1_000_000, 7), quota.Config{Share: 100, Windows: windows(1_000_000, 10, 7, 10)}},
	}
	for _, tt := range tests {
		if got := configOf(tt.limit); !reflect.DeepEqual(got, tt.want) {
			t.Errorf("%s: %+v, want %+v", tt.name, got, tt.want)
		}
	}
}

func TestMerged(t *testing.T) {
	tests := []struct {
		name    string
		configs map[string]quota.Config
		want    quota.Config
	}{
		{"one", map[string]quota.Config{"a": {Windows: windows(9, 10)}}, quota.Config{Share: 100, Windows: windows(9, 10)}},
		{"lowest of each length, by length", map[string]quota.Config{
			"a": {MutationsOnly: true, Windows: windows(900, 900, 90, 10)}, "b": {MutationsOnly: true, Windows: windows(50, 10, 1000, 900)},
		}, quota.Config{Share: 100, MutationsOnly: true, Windows: windows(50, 10, 900, 900)}},
		{"reads count if anybody says so", map[string]quota.Config{
			"a": {MutationsOnly: true, Windows: windows(1, 1)}, "b": {Windows: windows(2, 2)},
		}, quota.Config{Share: 100, Windows: windows(1, 1, 2, 2)}},
	}
	for _, tt := range tests {
		for range 20 {
			if got := merged(tt.configs); !reflect.DeepEqual(got, tt.want) {
				t.Fatalf("%s: %+v, want %+v", tt.name, got, tt.want)
			}
		}
	}
}

func TestGroupOf(t *testing.T) {
	spec := func(endpoint, group string) *v1alpha1.ConsoleConnectionSpec {
		s := &v1alpha1.ConsoleConnectionSpec{Endpoint: endpoint}
		s.RateLimit.Group = group
		return s
	}
	const key = "console-C4naryKey0123456789abcdef"
	auto := groupOf(spec("https://console.example", ""), key)
	if auto != groupOf(spec("https://console.example/", ""), key) {
		t.Error("a slash at the end makes another quota")
	}
	for name, other := range map[string]string{
		"another key":      groupOf(spec("https://console.example", ""), key+"x"),
		"another endpoint": groupOf(spec("https://other.example", ""), key),
		"a named group":    groupOf(spec("https://console.example", "mine"), key),
	} {
		if other == auto {
			t.Errorf("%s shares the quota", name)
		}
	}
	if got := groupOf(spec("x", "mine"), key); got != "mine" {
		t.Errorf("a named group is %q", got)
	}
	// Neither the key nor any part of it that means something.
	for i := range len(key) - 5 {
		part := key[i : i+6]
		if strings.Contains(auto, part) || bytes.Contains([]byte(auto), []byte(hex.EncodeToString([]byte(part)))) {
			t.Errorf("the group %q holds %q of the key", auto, part)
		}
	}
	print := fingerprint(Target{Endpoint: "ab", APIKey: "c"}, "g")
	if print == fingerprint(Target{Endpoint: "a", APIKey: "bc"}, "g") || print == fingerprint(Target{Endpoint: "ab", APIKey: "c", CABundle: []byte("x")}, "g") || print == fingerprint(Target{Endpoint: "ab", APIKey: "c"}, "h") {
		t.Error("different targets look the same")
	}
}

func TestShort(t *testing.T) {
	for d, want := range map[time.Duration]string{
		10 * time.Second: "10s", 15 * time.Minute: "15m", time.Hour: "1h", 90 * time.Minute: "1h30m", 100 * time.Millisecond: "100ms",
		time.Hour + time.Second: "1h0m1s", 24 * time.Hour: "24h", 100 * time.Second: "1m40s", 10 * time.Hour: "10h", 0: "0s", 20 * time.Minute: "20m",
	} {
		if got := short(d); got != want {
			t.Errorf("%v is %q, want %q", d, got, want)
		}
	}
	for range 1000 {
		d := time.Duration(rand.Int64N(int64(48 * time.Hour)))
		if back, err := time.ParseDuration(short(d)); err != nil || back != d {
			t.Fatalf("%v is %q, read as %v: %v", d, short(d), back, err)
		}
	}
}

// newProjects makes real clients that are never used, for a process of that
// identity that keeps its records through c, if that is not nil.
func newProjects(t *testing.T, c client.Client, identity string) *projects {
	p := &projects{
		dial: func(t Target) (console.API, error) {
			return statsig.New(statsig.Config{Endpoint: t.Endpoint, APIKey: t.APIKey, Limiter: t.Limiter})
		},
		quotas:     Quotas{Reader: c, Writer: c, Namespace: "operator", Durability: quota.Durability{Identity: identity, Exclusive: true}},
		recordLost: func(group, reason string) { t.Errorf("%s, group %s: %s", identity, group, reason) },
		views:      map[string]*view{}, groups: map[string]*group{},
	}
	if c == nil {
		p.quotas = Quotas{}
	}
	return p
}

// open has a connection draw from a group under a target.
func (p *projects) open(t *testing.T, connection string, target Target, group, previous string, w ...quota.Window) (*console.Project, error) {
	t.Helper()
	if err := p.join(t.Context(), connection, group, previous, quota.Config{Share: 100, Windows: w}); err != nil {
		return nil, err
	}
	return p.acquire(connection, target, group)
}

// limiter is open for those who only want to spend.
func (p *projects) limiter(t *testing.T, connection, group, previous string) *quota.Limiter {
	t.Helper()
	project, err := p.open(t, connection, Target{Endpoint: "https://console.example", APIKey: connection}, group, previous, windows(40, 600)...)
	if err != nil {
		t.Fatal(err)
	}
	return project.Limiter()
}

func send(t *testing.T, l *quota.Limiter, n int) {
	t.Helper()
	for range n {
		permit, err := l.Acquire(t.Context(), quota.Request{Lane: quota.Change})
		if err != nil {
			t.Fatal(err)
		}
		permit.Done(quota.Outcome{})
	}
}

func TestConnectionsShareProjectsAndQuotas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProjects(t, nil, "")
		defer p.close()
		target := Target{Endpoint: "https://console.example", APIKey: "k"}
		get := func(connection string, target Target, group, previous string, requests int) *console.Project {
			t.Helper()
			project, err := p.open(t, connection, target, group, previous, windows(requests, 10)...)
			if err != nil {
				t.Fatal(err)
			}
			return project
		}
		limit := func(project *console.Project) int { return project.Limiter().Stats().Windows[0].Limit }
		a := get("a", target, "g", "", 90)
		if b := get("b", target, "g", "", 50); a != b || limit(a) != 50 {
			t.Errorf("one project %v, limit %d; want one with the lower limit", a == b, limit(a))
		}
		other := target
		other.APIKey = "k2"
		c := get("c", other, "g", "g", 70)
		if c == a || c.Limiter() != a.Limiter() {
			t.Error("another key of the same group has the same project, or another quota")
		}
		if len(p.groups) != 1 {
			t.Errorf("%d limiters made", len(p.groups))
		}
		p.release("b")
		if limit(a) != 70 {
			t.Errorf("the limit is %d although who set it is gone, want 70", limit(a))
		}
		p.release("a")
		if again := get("a", target, "g", "g", 90); again == a {
			t.Error("a project that nobody used is not closed")
		}
		// A rotated key leads to another group: what was sent still counts.
		permit, err := a.Limiter().TryAcquire(quota.Request{Key: "x", Notify: func() {}})
		if err != nil {
			t.Fatal(err)
		}
		permit.Done(quota.Outcome{})
		moved := get("a", other, "h", "g", 90)
		if used := moved.Limiter().Stats().Windows[0].Used; used != 1 {
			t.Errorf("%d of the requests made are counted", used)
		}
		bad := target
		bad.APIKey = "k\n"
		if _, err := p.open(t, "e", bad, "g", ""); err == nil || strings.Contains(err.Error(), "k\n") {
			t.Errorf("a key with a line break: %v", err)
		}
	})
}

// TestRotationBesideAnotherProcess rotates a key while another process, which
// is no leader any more but did not know in time, has drawn from the former
// key's quota, too: what both sent counts, and what this one sent counts once.
func TestRotationBesideAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClient(t, interceptor.Funcs{})
		start := func(id string) *projects { return newProjects(t, c, id) }
		get := func(p *projects, group, previous string) *quota.Limiter { return p.limiter(t, "c", group, previous) }
		// used waits until every block is over of which tokens may have been taken.
		used := func(l *quota.Limiter) int {
			time.Sleep(quota.BlockLife)
			synctest.Wait()
			return l.Stats().Windows[0].Used
		}
		deposed, leader := start("deposed"), start("leader")
		defer deposed.close()
		defer leader.close()
		send(t, get(deposed, "g", ""), 3)
		deposed.groups["g"].limiter.Close()
		send(t, get(leader, "g", "g"), 2)
		// It is alone: what it knows is all there is, and counts once.
		if alone := used(get(leader, "h", "g")); alone != 5 {
			t.Errorf("%d requests count after the first rotation, want 5", alone)
		}
		send(t, leader.groups["h"].limiter, 1)

		late := get(deposed, "h", "h")
		send(t, late, 7)
		late.Close()
		if both := used(get(leader, "i", "h")); both < 13 || both > 13+6 {
			t.Errorf("%d requests count after the second rotation, want the 13 sent, and at most those of the leader twice", both)
		}

		// Nothing is known of what was sent before as long as the record is not read.
		started := start("leader") // its Pod has begun anew
		defer started.close()
		get(started, "i", "i")
		if all := used(get(started, "j", "i")); all < 13 {
			t.Errorf("%d requests count for a process that just began, want the 13 sent", all)
		}
	})
}

// TestNothingBeginsAfterTheEnd: a reconciliation under way when the process stops
// gets a project that reads nothing, and starts nothing that would outlive it.
func TestNothingBeginsAfterTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newProjects(t, nil, "")
		if err := p.join(t.Context(), "c", "g", "", quota.Config{Windows: windows(40, 600)}); err != nil {
			t.Fatal(err)
		}
		p.close()
		if err := p.join(t.Context(), "c", "h", "g", quota.Config{}); !errors.Is(err, quota.ErrClosed) || len(p.groups) != 1 {
			t.Errorf("another quota is drawn from after the end: %v", err)
		}
		project, err := p.acquire("c", Target{Endpoint: "https://console.example", APIKey: "k"}, "g")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := project.Limiter().Acquire(t.Context(), quota.Request{}); !errors.Is(err, quota.ErrClosed) {
			t.Errorf("a permit is given out after the end: %v", err)
		}
	})
}

var errDown = errors.New("the API server is down")

// A panic prints what it was given.
func TestTargetIsPrintedWithoutItsKey(t *testing.T) {
	const key = "console-C4naryKey0123456789abcdef"
	target := Target{Provider: v1alpha1.ProviderStatsig, Endpoint: "https://console.example", APIKey: key}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		for _, v := range []any{target, &target, []Target{target}} {
			if text := fmt.Sprintf(verb, v); strings.Contains(text, key) {
				t.Errorf("%s of %T prints the key: %s", verb, v, text)
			}
		}
	}
}

// A process knows whether another one wrote before it: then the quota's group is
// recorded, and it has not drawn from that group itself.
func TestFormerProcessIsNoted(t *testing.T) {
	for previous, want := range map[string]bool{"": false, "g": true, "before": true} {
		synctest.Test(t, func(t *testing.T) {
			p := newProjects(t, nil, "")
			defer p.close()
			for _, previous := range []string{previous, "g", "g"} {
				project, err := p.open(t, "c", Target{Endpoint: "https://console.example", APIKey: "k"}, "g", previous, windows(40, 600)...)
				if err != nil {
					t.Fatal(err)
				}
				if got := project.OthersShown().After(time.Now()); got != want {
					t.Errorf("recorded %q: reads may be behind: %v, want %v", previous, got, want)
				}
			}
		})
	}
}
