package histories

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/url"
	"slices"
	"testing/synctest"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// How late things may be, so that what the operator takes for certain is.
const (
	// lateArrival is how long after the client gave up the console may still
	// see a request: the quota relies on ten seconds.
	lateArrival = 9 * time.Second
	// lateEffect is how long after it arrived a request may take effect, and
	// lateAfter how long after the client gave up: the journal relies on half a
	// minute after the client's half minute.
	lateEffect = 50 * time.Second
	lateAfter  = 20 * time.Second
	// staleReads is how long reads may show what was before a write.
	staleReads = 5 * time.Second
)

var (
	errRefused = errors.New("connection refused")
	errReset   = errors.New("connection reset by peer")
)

// A network carries requests to the simulated console, or does not.
type network struct {
	w *world
	// outage is the fate of every request until then.
	outage      netFate
	outageUntil time.Duration
	// pause is what the next answer asks for, and kills who hears it; 0: nothing.
	pause time.Duration
}

// An exchange is a request on its way, and its answer.
type exchange struct {
	p       *process
	request *http.Request
	body    []byte
	text    string
	fate    netFate
	answer  chan reply
	arrived bool
	over    bool // nobody waits for the answer any more
}

type reply struct {
	response *http.Response
	err      error
	sent     bool // the console may have seen the request
}

// A transport is a process's way to the console.
type transport struct{ p *process }

// RoundTrip implements [http.RoundTripper].
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	x := &exchange{p: t.p, request: req, answer: make(chan reply, 1)}
	if req.Body != nil {
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return nil, err
		}
		x.body = body
	}
	x.text = req.Method + " " + req.URL.RequestURI() + " " + string(x.body)
	w := t.p.w
	if !w.post(&ask{key: x.text, by: t.p, do: func() { w.net.begin(x) }}) {
		return nil, errDead
	}
	select {
	case r := <-x.answer:
		if r.sent {
			connected(req.Context())
		}
		return r.response, r.err
	case <-req.Context().Done():
		connected(req.Context())
		// Several may give up at the same moment: the world says who is first.
		t.p.ask("gives up "+x.text, x.abandon)
		return nil, req.Context().Err()
	}
}

// connected tells the client that the request may have been sent.
func connected(ctx context.Context) {
	if trace := httptrace.ContextClientTrace(ctx); trace != nil && trace.GotConn != nil {
		trace.GotConn(httptrace.GotConnInfo{})
	}
}

// begin is when a process sends a request.
func (n *network) begin(x *exchange) {
	w := n.w
	w.called(x.p, func() {
		if x.nextDoor() {
			x.p.inFlight = append(x.p.inFlight, x)
			w.note("%s sends next door %s", x.p.name, x.text)
			w.after(10*time.Millisecond, func() { n.arriveNextDoor(x) })
			return
		}
		x.fate = w.plan.netFate(w, x)
		if w.script != nil {
			x.fate = w.script.netFate()
		}
		x.p.inFlight = append(x.p.inFlight, x)
		w.note("%s sends %s (%s)", x.p.name, x.text, x.fate)
		w.tally.fate(x.fate)
		delay := w.plan.latency(w)
		if x.fate == netSlowly {
			delay = 8 * time.Second
		}
		switch x.fate {
		case netRefused:
			w.after(delay, func() { x.reply(reply{err: errRefused}) })
		case netLostReset:
			w.after(delay, func() { x.reply(reply{err: errReset, sent: true}) })
		case netLost, netLate: // the client gives up some time
		default:
			w.after(delay, func() { n.arrive(x) })
		}
	}, func() {})
}

// reply ends an exchange, as the process sees it.
func (x *exchange) reply(r reply) {
	if x.over {
		return
	}
	x.over = true
	x.p.inFlight = slices.DeleteFunc(x.p.inFlight, func(other *exchange) bool { return other == x })
	status := 0
	if r.response != nil {
		status = r.response.StatusCode
	}
	x.p.w.note("%s is answered %d %v: %s", x.p.name, status, r.err, x.text)
	x.answer <- r
}

// abandon is when the process does not wait any more, or is gone. The request
// may be on its way yet.
func (x *exchange) abandon() {
	w := x.p.w
	x.reply(reply{err: errDead, sent: true})
	switch {
	case !x.arrived && (x.fate == netLate || w.chance(0.5)) && x.fate != netRefused && x.fate != netLost && x.fate != netLostReset:
		x.fate = netLate
		w.after(w.between(0, lateArrival), func() { w.net.arrive(x) })
	case !x.arrived:
		x.arrived = true // it never does
	}
}

// arrive is when the console sees a request.
func (n *network) arrive(x *exchange) {
	if x.arrived {
		return
	}
	x.arrived = true
	w := n.w
	if f, ok := w.plan.mischief(w, x.fate); ok {
		w.sim.Inject(f)
		defer w.sim.ClearFaults()
	}
	if x.fate == netSlow {
		n.arriveSlowly(x)
		return
	}
	if x.fate == netPause {
		defer n.killAfterPause(x, n.pause)
		n.pause = 0
	}
	r := n.serve(context.Background(), x)
	w.ledger.served(x)
	switch x.fate {
	case netLost, netLostAnswer:
	case netResetAfter:
		w.after(w.plan.latency(w), func() { x.reply(reply{err: errReset, sent: true}) })
	default:
		w.after(w.plan.latency(w), func() { x.reply(r) })
	}
}

// arriveNextDoor is when the neighbour's console sees a request, and answers.
func (n *network) arriveNextDoor(x *exchange) {
	if !x.arrived {
		x.arrived = true
		x.reply(n.serve(context.Background(), x))
	}
}

// killAfterPause kills the process that the console asked for a pause.
func (n *network) killAfterPause(x *exchange, pause time.Duration) {
	w := n.w
	w.note("the console wants %v of silence", pause)
	w.after(w.between(time.Second, 20*time.Second), func() {
		if !x.p.dead && !w.calm {
			w.crash(x.p)
		}
	})
}

// arriveSlowly has the console take its time, whether or not the client does.
func (n *network) arriveSlowly(x *exchange) {
	w := n.w
	delay := w.between(time.Second, lateEffect)
	if end, ok := x.request.Context().Deadline(); ok {
		delay = min(delay, time.Until(end)+lateAfter)
	}
	w.sim.Inject(consolesim.Fault{Effect: consolesim.EffectLatency, Delay: delay, Times: 1})
	go func() {
		r := n.serve(context.Background(), x)
		w.post(&ask{key: "slowly " + x.text, by: w.self, do: func() {
			w.note("took effect after %v: %s", delay, x.text)
			w.ledger.served(x)
			x.reply(r)
		}})
	}()
	synctest.Wait()
}

// serve has the console answer a request.
func (n *network) serve(ctx context.Context, x *exchange) (r reply) {
	r.sent = true
	target, err := url.ParseRequestURI(x.request.URL.RequestURI())
	if err != nil {
		panic(err)
	}
	req := (&http.Request{
		Method: x.request.Method, URL: target, Header: x.request.Header, Host: "console.test",
		Body: io.NopCloser(bytes.NewReader(x.body)), ContentLength: int64(len(x.body)), RequestURI: target.RequestURI(),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}).WithContext(ctx)
	rec := httptest.NewRecorder()
	defer func() {
		cut := recover()
		if err, _ := cut.(error); cut != nil && !errors.Is(err, http.ErrAbortHandler) {
			panic(cut)
		} else if cut != nil {
			r.response = rec.Result()
			r.response.Body = io.NopCloser(io.MultiReader(r.response.Body, broken{}))
		}
	}()
	n.w.sim.ServeHTTP(rec, req)
	r.response = rec.Result()
	return r
}

// broken is the end of a body that was cut.
type broken struct{}

func (broken) Read([]byte) (int, error) {
	return 0, fmt.Errorf("the body is cut: %w", io.ErrUnexpectedEOF)
}
