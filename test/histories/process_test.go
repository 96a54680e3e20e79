package histories

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"

	ctrlcache "sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlrecorder "sigs.k8s.io/controller-runtime/pkg/recorder"

	"github.com/console-access/console-access-operator/api/v1alpha1"
	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/console/statsig"
	"github.com/console-access/console-access-operator/internal/controller"
	"github.com/console-access/console-access-operator/internal/controller/connection"
	"github.com/console-access/console-access-operator/internal/quota"
)

// operatorNamespace is where the Secret and the quota's record are.
const operatorNamespace = "operator"

// errDead is what a crashed process gets for every call: it is not there to
// see it, but its goroutines have to end.
var errDead = errors.New("the process is gone")

// A process is one run of the operator. It stands in for the manager: what
// controllers ask of that one is here, and nothing else.
type process struct {
	manager.Manager
	w     *world
	name  string
	cache *view

	ctx     context.Context
	stop    context.CancelFunc
	running sync.WaitGroup
	add     []manager.Runnable

	mu       sync.Mutex
	queues   []*queue
	pending  []*ask      // under w.mu
	inFlight []*exchange // of the world alone
	dead     bool        // under w.mu; the world may read it
}

var scheme = func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, v1alpha1.AddToScheme} {
		if err := add(s); err != nil {
			panic(err)
		}
	}
	return s
}()

// begin starts a process.
func (w *world) begin() *process {
	w.born++
	p := &process{w: w, name: fmt.Sprintf("p%d", w.born)}
	w.note("%s starts", p.name)
	p.cache = newView(p)
	p.ctx, p.stop = context.WithCancel(context.Background())
	err := controller.Setup(p.ctx, p, controller.Options{
		OperatorNamespace: operatorNamespace, Identity: p.name, Exclusive: w.plan.exclusive,
		MaxConcurrentReconciles: w.plan.workers, NewQueue: p.newQueue, Jitter: w.jitter, Dial: p.dial,
	})
	if err != nil {
		w.fail("set up the operator: %v", err)
		return p
	}
	w.processes = append(w.processes, p)
	for _, r := range p.add {
		p.running.Go(func() {
			if err := r.Start(p.ctx); err != nil {
				panic(fmt.Sprintf("start %T: %v", r, err))
			}
		})
	}
	return p
}

// jitter is a value in [0,1) that only the moment decides, so that it does not
// matter who asks first.
func (w *world) jitter() float64 { return float64(uint64(w.now())*0x9e3779b97f4a7c15>>11) / (1 << 53) }

// dial reaches the console over the world's network.
func (p *process) dial(t connection.Target) (console.API, error) {
	api, err := statsig.New(statsig.Config{
		Endpoint: t.Endpoint, APIKey: t.APIKey, Limiter: t.Limiter, Version: "history",
		Transport: &transport{p: p}, PageSize: p.w.plan.pageSize,
	})
	return &calls{API: api, p: p}, err
}

// calls has the readings of listings, which begin in goroutines of their own,
// wait for the world: when they begin, and when their turn in the quota has come,
// which may be at one moment for both.
type calls struct {
	console.API
	p *process
}

func (c *calls) ListUsers(ctx context.Context, by quota.Request) (console.Listing[console.User], error) {
	c.p.ask("list users", func() {})
	return c.API.ListUsers(c.oneByOne(ctx, "send list users"), by)
}

func (c *calls) ListTeams(ctx context.Context, by quota.Request) (console.Listing[console.Team], error) {
	c.p.ask("list teams", func() {})
	return c.API.ListTeams(c.oneByOne(ctx, "send list teams"), by)
}

func (c *calls) oneByOne(ctx context.Context, key string) context.Context {
	return console.BeforeSend(ctx, func() error {
		c.p.ask(key, func() {})
		return console.RunBeforeSend(ctx)
	})
}

// ask has the world do something, and waits until that is done. It is false
// when the process died meanwhile.
func (p *process) ask(key string, do func()) bool {
	return p.askLater(key, func(done func()) {
		do()
		done()
	})
}

// askLater is ask for what takes time: do calls done in the end.
func (p *process) askLater(key string, do func(done func())) bool {
	a := &ask{key: key, by: p, done: make(chan struct{})}
	a.do = func() { do(func() { p.settle(a, false) }) }
	p.w.mu.Lock()
	p.pending = append(p.pending, a)
	p.w.mu.Unlock()
	if !p.w.post(a) {
		return false
	}
	<-a.done
	return !a.lost
}

func (p *process) settle(a *ask, lost bool) {
	p.w.mu.Lock()
	defer p.w.mu.Unlock()
	if i := slices.Index(p.pending, a); i >= 0 {
		p.pending = slices.Delete(p.pending, i, i+1)
		a.lost = lost
		close(a.done)
	}
}

// crash ends a process at once: none of its calls is answered any more.
func (w *world) crash(p *process) {
	if p.dead {
		return
	}
	w.tally.crashes++
	w.note("%s is gone", p.name)
	w.bury(p)
	p.stop()
	w.after(w.plan.replacement(w), w.replace)
}

// bury has all that a process waits for end: nobody is there to see it.
func (w *world) bury(p *process) {
	w.mu.Lock()
	p.dead = true
	pending := slices.Clone(p.pending)
	w.mu.Unlock()
	w.remove(p)
	for _, a := range pending {
		p.settle(a, true)
	}
	for _, x := range slices.Clone(p.inFlight) {
		x.abandon()
	}
}

// end tells a process to stop, as Kubernetes does; it may still finish what it
// is doing.
func (w *world) end(p *process) {
	w.note("%s is told to stop", p.name)
	p.stop()
	go func() {
		p.running.Wait()
		p.ask("end", func() {
			w.note("%s has ended", p.name)
			w.tally.restarts++
			w.bury(p)
			w.after(w.between(0, 5*time.Second), w.replace)
		})
	}()
}

func (w *world) remove(p *process) {
	w.processes = slices.DeleteFunc(w.processes, func(other *process) bool { return other == p })
}

// replace starts a process when there is none.
func (w *world) replace() {
	if len(w.processes) == 0 {
		w.begin()
	}
}

// ready and nextReady are about all queues of the process.
func (p *process) ready(out []candidate) []candidate {
	for _, q := range p.queues {
		out = q.ready(out, p.w.now())
	}
	return out
}

func (p *process) nextReady() time.Duration {
	next := never
	for _, q := range p.queues {
		next = min(next, q.next())
	}
	return next
}

// What follows is the manager, as far as it is asked for anything.

func (p *process) Add(r manager.Runnable) error {
	p.add = append(p.add, r)
	return nil
}

func (p *process) GetClient() client.Client             { return &kubeClient{p: p, Reader: p.cache} }
func (p *process) GetAPIReader() client.Reader          { return &kubeReader{p: p} }
func (p *process) GetCache() ctrlcache.Cache            { return p.cache }
func (p *process) GetFieldIndexer() client.FieldIndexer { return p.cache }
func (p *process) GetScheme() *runtime.Scheme           { return scheme }
func (p *process) GetLogger() logr.Logger               { return logr.Discard() }
func (p *process) GetControllerOptions() config.Controller {
	return config.Controller{SkipNameValidation: new(true), Logger: logr.Discard()}
}
func (p *process) GetEventRecorder(string) ctrlrecorder.EventRecorder { return &recorder{p} }

// A recorder notes events in the trace.
type recorder struct{ p *process }

func (r *recorder) Eventf(regarding, _ runtime.Object, _, reason, _, note string, args ...any) {
	obj := regarding.(client.Object)
	text := fmt.Sprintf(note, args...)
	r.p.w.mu.Lock()
	defer r.p.w.mu.Unlock()
	if !r.p.dead {
		r.p.w.tally.events++
		r.p.w.told = append(r.p.w.told, fmt.Sprintf("%s event on %s: %s %s", r.p.name, client.ObjectKeyFromObject(obj), reason, text))
	}
}

// AnnotatedEventf is Eventf; the operator does not annotate.
func (r *recorder) AnnotatedEventf(regarding, related runtime.Object, _ map[string]string, kind, reason, action, note string, args ...any) {
	r.Eventf(regarding, related, kind, reason, action, note, args...)
}

// A kubeReader reads from Kubernetes itself.
type kubeReader struct {
	client.Reader
	p *process
}

func (r *kubeReader) Get(_ context.Context, name client.ObjectKey, into client.Object, _ ...client.GetOption) (err error) {
	key := objectKey{kindOf(into), name}
	return r.p.call("read "+key.kind+" "+name.String(), func() error { return r.p.w.kube.get(key, into) })
}

// A kubeClient reads from the cache and writes to Kubernetes.
type kubeClient struct {
	client.Client
	client.Reader
	p *process
}

func (c *kubeClient) Get(ctx context.Context, key client.ObjectKey, obj client.Object, options ...client.GetOption) error {
	return c.Reader.Get(ctx, key, obj, options...)
}

func (c *kubeClient) List(ctx context.Context, list client.ObjectList, options ...client.ListOption) error {
	return c.Reader.List(ctx, list, options...)
}

func (c *kubeClient) Create(_ context.Context, obj client.Object, _ ...client.CreateOption) error {
	return c.p.call("create "+text(obj), func() error { return c.p.w.kube.create(obj) })
}

func (c *kubeClient) Update(_ context.Context, obj client.Object, _ ...client.UpdateOption) error {
	return c.p.call("update "+text(obj), func() error { return c.p.w.kube.update(obj) })
}

func (c *kubeClient) Patch(_ context.Context, obj client.Object, patch client.Patch, _ ...client.PatchOption) error {
	data, err := patch.Data(obj)
	if err != nil {
		return fmt.Errorf("encode the patch: %w", err)
	}
	return c.p.call("patch "+text(obj)+" "+string(data), func() error { return c.p.w.kube.patch(obj, data, false) })
}

func (c *kubeClient) Status() client.SubResourceWriter { return &statusClient{p: c.p} }

type statusClient struct {
	client.SubResourceWriter
	p *process
}

func (c *statusClient) Patch(_ context.Context, obj client.Object, patch client.Patch, _ ...client.SubResourcePatchOption) error {
	data, err := patch.Data(obj)
	if err != nil {
		return fmt.Errorf("encode the patch: %w", err)
	}
	return c.p.call("status "+text(obj)+" "+string(data), func() error { return c.p.w.kube.patch(obj, data, true) })
}

func text(obj client.Object) string {
	return kindOf(obj) + " " + client.ObjectKeyFromObject(obj).String()
}

// call makes a call to Kubernetes, which may take its time, fail before it has
// an effect, or fail after.
func (p *process) call(key string, do func() error) (err error) {
	w := p.w
	alive := p.askLater(key, func(done func()) {
		delay, fate := w.plan.kubeFate(w)
		w.after(delay+w.halt(), func() {
			if p.dead {
				return
			}
			w.called(p, func() {
				if w.script != nil {
					fate = w.script.kubeFate()
				}
				err = errors.New("the Kubernetes API does not answer")
				if fate != kubeRefuses {
					err = do()
				}
				if err == nil && fate == kubeLoses {
					err = apierrors.NewTimeoutError("the answer is lost", 1)
				}
				w.note("%s %s: %v", p.name, key, err)
			}, done)
		})
	})
	if !alive {
		return errDead
	}
	return err
}
