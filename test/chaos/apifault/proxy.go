// Package apifault stands between managers and a Kubernetes API server, and has
// requests fail in the ways in which they do in a cluster.
package apifault

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"sync"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// Kind is one way in which a request fails.
type Kind string

// The kinds. Watches are struck by Cut, Unavailable and Outage when they begin,
// and else only by [Proxy.CutWatches].
const (
	Conflict    Kind = "conflict"    // a write is answered 409 and not carried out
	Internal    Kind = "internal"    // 500, not carried out
	Unavailable Kind = "unavailable" // 503, not carried out
	TooMany     Kind = "too many"    // 429 with Retry-After: 1, not carried out
	Timeout     Kind = "timeout"     // carried out; no answer for a time, then as Lost
	Cut         Kind = "cut"         // the connection is closed, not carried out
	Lost        Kind = "lost answer" // carried out, then the connection is closed
	Outage      Kind = "outage"      // as Cut; all watches end when it begins
	WatchCut    Kind = "watch cut"   // only counted; see [Proxy.CutWatches]
)

// Kinds are those that may be switched on.
var Kinds = []Kind{Conflict, Internal, Unavailable, TooMany, Timeout, Cut, Lost, Outage}

// timeout is how late the answer of a Timeout is. It is longer than a Lease may
// stay unrenewed, and shorter than clients wait.
const timeout = 3 * time.Second

// A Proxy is a way to an API server. It adds the credentials itself.
type Proxy struct {
	server *httptest.Server

	mu      sync.Mutex
	rng     *rand.Rand
	chances map[Kind]float64
	counts  map[Kind]int
	watches map[int]context.CancelFunc
	last    int
}

// New starts a proxy to the API server of a config, drawing from a seed which
// requests fail. Close it.
func New(config *rest.Config, seed uint64) (*Proxy, error) {
	transport, err := rest.TransportFor(config)
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	target, err := url.Parse(config.Host)
	if err != nil {
		return nil, fmt.Errorf("reach the API server: %w", err)
	}
	p := &Proxy{
		rng:     rand.New(rand.NewPCG(seed, 0)),
		chances: map[Kind]float64{}, counts: map[Kind]int{}, watches: map[int]context.CancelFunc{},
	}
	forward := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(target) },
		Transport:      transport,
		FlushInterval:  -1,                         // watches
		ErrorLog:       log.New(io.Discard, "", 0), // of bodies that were cut
		ModifyResponse: spoil,
		ErrorHandler:   func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	p.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { p.serve(forward, w, r) }))
	return p, nil
}

// Close ends the proxy and all that goes through it.
func (p *Proxy) Close() {
	p.Clear()
	p.CutWatches()
	p.server.CloseClientConnections()
	p.server.Close()
}

// WriteKubeconfig writes a kubeconfig that leads through the proxy.
func (p *Proxy) WriteKubeconfig(path string) error {
	const name = "proxy"
	to := api.NewConfig()
	to.Clusters[name] = &api.Cluster{Server: p.server.URL}
	to.AuthInfos[name] = &api.AuthInfo{}
	to.Contexts[name] = &api.Context{Cluster: name, AuthInfo: name}
	to.CurrentContext = name
	return clientcmd.WriteToFile(*to, path)
}

// Set has requests fail in that way with a probability; 0 ends it. Of several
// kinds that are set the first of [Kinds] that strikes counts.
func (p *Proxy) Set(kind Kind, probability float64) {
	p.mu.Lock()
	p.chances[kind] = probability
	p.mu.Unlock()
	if kind == Outage && probability > 0 {
		p.CutWatches()
	}
}

// Clear has requests fail no longer.
func (p *Proxy) Clear() {
	p.mu.Lock()
	defer p.mu.Unlock()
	clear(p.chances)
}

// CutWatches ends every watch under way.
func (p *Proxy) CutWatches() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, cancel := range p.watches {
		cancel()
	}
	p.counts[WatchCut] += len(p.watches)
	clear(p.watches)
}

// Counts returns how many requests failed in which way.
func (p *Proxy) Counts() map[Kind]int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return maps.Clone(p.counts)
}

// strike draws how a request fails; empty: not at all.
func (p *Proxy) strike(r *http.Request, watch bool) Kind {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, kind := range Kinds {
		chance := p.chances[kind]
		if chance == 0 || p.rng.Float64() >= chance {
			continue
		}
		if kind == Conflict && (r.Method == http.MethodGet || r.Method == http.MethodPost) {
			continue
		}
		if watch && kind != Cut && kind != Unavailable && kind != Outage {
			continue
		}
		p.counts[kind]++
		return kind
	}
	return ""
}

// spoilKey is the context's key for the Kind of a request that is carried out
// before it fails.
type spoilKey struct{}

var errLost = errors.New("the answer is lost")

// spoil fails a request that has been carried out.
func spoil(resp *http.Response) error {
	ctx := resp.Request.Context()
	switch ctx.Value(spoilKey{}) {
	case Lost:
		return errLost
	case Timeout:
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
		}
		return errLost
	}
	return nil
}

func (p *Proxy) serve(forward http.Handler, w http.ResponseWriter, r *http.Request) {
	watch := r.URL.Query().Get("watch") == "true" || r.URL.Query().Get("watch") == "1"
	kind := p.strike(r, watch)
	switch kind {
	case Conflict:
		refuse(w, apierrors.NewConflict(schema.GroupResource{}, r.URL.Path, errors.New("somebody else changed it")))
		return
	case Internal:
		refuse(w, apierrors.NewInternalError(errors.New("injected")))
		return
	case Unavailable:
		refuse(w, apierrors.NewServiceUnavailable("injected"))
		return
	case TooMany:
		w.Header().Set("Retry-After", "1")
		refuse(w, apierrors.NewTooManyRequests("injected", 1))
		return
	case Cut, Outage:
		panic(http.ErrAbortHandler)
	}
	ctx := context.WithValue(r.Context(), spoilKey{}, kind)
	if watch {
		watching, done := p.watching(ctx)
		defer done()
		ctx = watching
	}
	forward.ServeHTTP(w, r.WithContext(ctx))
}

// watching returns a context that ends when watches are cut.
func (p *Proxy) watching(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.last++
	number := p.last
	p.watches[number] = cancel
	return ctx, func() {
		cancel()
		p.mu.Lock()
		defer p.mu.Unlock()
		delete(p.watches, number)
	}
}
