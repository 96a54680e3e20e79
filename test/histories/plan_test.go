package histories

import (
	"fmt"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/console-access/console-access-operator/internal/consolesim"
)

// A plan is what a history is made of, drawn before it begins.
type plan struct {
	behavior consolesim.Behavior
	windows  []consolesim.Window
	pageSize int
	interval time.Duration // of drift
	workers  int

	exclusive bool // no two processes at a time, and the quota knows
	leaders   bool // there are two at times
	actions   int  // of people
	lasts     time.Duration

	net, kube float64 // how likely a call fails
	outages   int
	crashes   float64 // calls between two; 0: none
	disorder  float64
	lag       time.Duration // of caches, as a rule
	brake     int32
}

// drawPlan draws a plan. Most histories last an hour or so, some for days.
func drawPlan(w *world) plan {
	p := plan{
		behavior: drawBehavior(w), pageSize: oneOf(w, 0, 0, 2, 5), workers: oneOf(w, 1, 2, 8),
		interval:  oneOf(w, 2*time.Minute, 5*time.Minute),
		exclusive: w.chance(0.5), actions: 5 + w.rng.IntN(30), lasts: w.between(2*time.Minute, 25*time.Minute),
		disorder: oneOf[float64](w, 0, 0.5), lag: oneOf(w, 2*time.Millisecond, 50*time.Millisecond, 2*time.Second),
		brake: oneOf[int32](w, 10, 10, 1),
	}
	p.windows = oneOf(w,
		[]consolesim.Window{{Requests: 12, Per: 10 * time.Second}, {Requests: 40, Per: time.Minute}},
		[]consolesim.Window{{Requests: 20, Per: 30 * time.Second}})
	if w.chance(0.1) {
		p.windows = consolesim.DefaultWindows()
	}
	if w.chance(0.01) {
		p.lasts, p.interval = w.between(24*time.Hour, 72*time.Hour), 6*time.Hour
		p.windows = []consolesim.Window{{Requests: 30, Per: 10 * time.Second}}
	}
	if !w.chance(0.1) {
		p.net, p.kube = oneOf[float64](w, 0, 0.02, 0.1, 0.3), oneOf[float64](w, 0, 0.02, 0.1)
		p.outages = w.rng.IntN(3)
		p.crashes = oneOf[float64](w, 0, 10, 30, 100)
		p.leaders = !p.exclusive && w.chance(0.5)
	}
	return p
}

// drawBehavior turns the switches of the open questions.
func drawBehavior(w *world) consolesim.Behavior {
	b := consolesim.DefaultBehavior()
	b.ListTeamsWithMembers = w.chance(0.5)
	b.CreateReturnsID, b.ListReturnsID = w.chance(0.7), w.chance(0.8)
	if !b.CreateReturnsID {
		b.ListReturnsID = true // else nobody could ever know an id
	}
	b.DuplicateTeamNames = oneOf(w, consolesim.NamesRefuse, consolesim.NamesAllow, consolesim.NamesAllow)
	b.PatchOmitted = oneOf(w, consolesim.OmittedKeep, consolesim.OmittedReset)
	b.RoleSpelling = oneOf(w, consolesim.SpellingExact, consolesim.SpellingLower, consolesim.SpellingKebab)
	b.LowercaseEmails, b.ReorderLists, b.DropDuplicates = w.chance(0.5), w.chance(0.5), w.chance(0.5)
	b.AdminsAreMembers = oneOf(w, consolesim.AdminsAsSent, consolesim.AdminsYes, consolesim.AdminsNo)
	b.UnknownMember = oneOf(w, consolesim.UnknownRefuse, consolesim.UnknownDrop, consolesim.UnknownInvite)
	b.MaxPageSize, b.OmitTotals = oneOf(w, 0, 3), w.chance(0.3)
	b.MissingDelete, b.MissingGet = oneOf(w, 404, 200), oneOf(w, 404, 400)
	b.StaleReads = oneOf[time.Duration](w, 0, 0, time.Second, staleReads)
	b.InvitesPending, b.ReturnsUserID = w.chance(0.5), w.chance(0.5)
	b.RejectedCount = w.chance(0.3)
	b.RetryAfter = oneOf(w, consolesim.RetryAfterSeconds, consolesim.RetryAfterDate, consolesim.RetryAfterAbsent)
	return b
}

// turn puts some switches of the open questions into other positions.
func (w *world) turn() {
	if w.calm {
		return
	}
	fate := w.rng
	w.rng = w.moods
	other := drawBehavior(w)
	w.rng = fate
	b := reflect.ValueOf(&w.plan.behavior).Elem()
	var turned []string
	for i := range b.NumField() {
		if w.moods.IntN(3) == 0 && !b.Field(i).Equal(reflect.ValueOf(other).Field(i)) {
			b.Field(i).Set(reflect.ValueOf(other).Field(i))
			turned = append(turned, fmt.Sprintf("%s=%v", b.Type().Field(i).Name, b.Field(i)))
		}
	}
	w.note("the console changes: %s", strings.Join(turned, " "))
	w.behave()
}

// behave has the console answer as the plan says.
func (w *world) behave() {
	err := w.sim.SetBehavior(func(b *consolesim.Behavior) {
		moves := b.MoveBetweenPages // is a fault
		*b = w.plan.behavior
		b.MoveBetweenPages = moves
	})
	if err != nil {
		panic(err)
	}
}

// A netFate is what becomes of a request.
type netFate string

const (
	netOK         netFate = "arrives"
	netRefused    netFate = "no connection"
	netLostReset  netFate = "lost, reset"
	netLost       netFate = "lost"
	netLate       netFate = "late"
	netSlow       netFate = "slow effect"
	netLostAnswer netFate = "answer lost"
	netResetAfter netFate = "reset after"
	netErrorAfter netFate = "5xx after"
	netError      netFate = "5xx"
	netTooMany    netFate = "429"
	netPage       netFate = "a page"
	netTruncated  netFate = "truncated"
	netWrong      netFate = "wrong types"
	netForbidden  netFate = "403"
	netMoves      netFate = "items move"

	// What follows is only drawn as a twist.
	netNoRoute netFate = "a gateway's 404"
	netHollow  netFate = "hollow 200"
	netUntrue  netFate = "untrue 404"
	netAddress netFate = "an address refused"
	netPause   netFate = "429 for minutes"
	netSlowly  netFate = "after 8 s"
)

var netFaults = []netFate{
	netRefused, netLostReset, netLost, netLate, netSlow, netLostAnswer, netResetAfter, netErrorAfter,
	netError, netTooMany, netPage, netTruncated, netWrong, netForbidden, netMoves,
}

// lasting are the fates that all requests of an outage may share.
var lasting = []netFate{netRefused, netLost, netError, netTooMany, netPage, netLostAnswer, netErrorAfter}

func (p *plan) netFate(w *world, x *exchange) netFate {
	if w.calm {
		return netOK
	}
	if w.net.pause > 0 {
		return netPause
	}
	if w.now() < w.net.outageUntil {
		return w.net.outage
	}
	if w.twists != nil && w.chance(w.twists.lies) {
		return oneOf(w, netNoRoute, netHollow, netUntrue, netUntrue, netAddress)
	}
	if !w.chance(p.net) {
		return netOK
	}
	// What concerns the creation of teams is what can go wrong most.
	if x.request.Method == http.MethodPost && w.chance(0.5) {
		return oneOf(w, netLostReset, netLost, netLate, netSlow, netLostAnswer, netResetAfter, netErrorAfter)
	}
	return oneOf(w, netFaults...)
}

// mischief is how the console does what a fate says.
func (p *plan) mischief(w *world, fate netFate) (f consolesim.Fault, ok bool) {
	f.Times = 1
	switch fate {
	case netErrorAfter:
		f.Effect, f.Status = consolesim.EffectErrorAfter, oneOf(w, 500, 502, 504)
	case netError:
		f.Effect, f.Status = consolesim.EffectError, oneOf(w, 500, 503, 404, 408)
		if f.Status == http.StatusNotFound {
			f.Body = "<html><body>404 page not found</body></html>"
		}
	case netForbidden:
		f.Effect, f.Status = consolesim.EffectError, oneOf(w, 401, 403)
	case netTooMany:
		date := time.Now().Add(w.between(-time.Minute, 2*time.Minute)).UTC().Format(http.TimeFormat)
		f.Effect = consolesim.EffectTooMany
		f.RetryAfter = oneOf(w, "", "0", "1", strconv.Itoa(1+w.rng.IntN(100)), "1.5", "-3", "soon", date, "1000")
	case netPage:
		f.Effect = consolesim.EffectNotJSON
	case netTruncated:
		f.Effect = consolesim.EffectTruncated
	case netWrong:
		f.Effect = consolesim.EffectWrongTypes
	case netMoves:
		if err := w.sim.SetBehavior(func(b *consolesim.Behavior) { b.MoveBetweenPages = 1 }); err != nil {
			panic(err)
		}
		return f, false
	default:
		return p.lie(w, fate)
	}
	return f, true
}

// untrue are answers in the console's own form that say that something is not
// there, which is not so.
var untrue = []string{"Role not found", "Holdout not found", "Team not found", "User not found", "Not Found. The requested resource could not be found."}

// lie is how the console, or something on the way, answers what is not true.
func (p *plan) lie(w *world, fate netFate) (f consolesim.Fault, ok bool) {
	f.Times, f.ContentType = 1, "application/json"
	switch fate {
	case netNoRoute:
		f.Effect = consolesim.EffectNoRoute
		f.Body = oneOf(w, "", `{"message":"Not Found"}`, `{"message":"Route GET:/console/v1/teams not found","error":"Not Found","statusCode":404}`)
	case netHollow:
		f.Effect = consolesim.EffectHollow
	case netUntrue:
		f.Effect, f.Status = consolesim.EffectError, http.StatusNotFound
		f.Body = fmt.Sprintf(`{"status":404,"message":%q}`, oneOf(w, untrue...))
	case netAddress:
		f.Effect, f.Status = consolesim.EffectError, http.StatusBadRequest
		f.Body = fmt.Sprintf(`{"status":400,"message":"Bad Request Exception","errors":[{"property":"members.0","errorMessage":"%s is not a member of the project"}]}`,
			strings.ToLower(oneOf(w, insiders...)))
	case netPause:
		f.Effect, f.RetryAfter = consolesim.EffectTooMany, strconv.Itoa(int(w.net.pause.Seconds()))
	default:
		return f, false
	}
	return f, true
}

// A kubeFate is what becomes of a call to Kubernetes.
type kubeFate int

const (
	kubeAnswers kubeFate = iota
	kubeRefuses
	kubeLoses
)

func (p *plan) kubeFate(w *world) (time.Duration, kubeFate) {
	if w.now() < w.kube.outageUntil {
		return w.between(0, 3*time.Millisecond), kubeRefuses
	}
	if w.calm || !w.chance(p.kube) {
		return w.between(0, 3*time.Millisecond), kubeAnswers
	}
	return w.between(0, oneOf(w, 10*time.Millisecond, 2*time.Second)), oneOf(w, kubeAnswers, kubeRefuses, kubeLoses)
}

// halt is for how long one of two leaders is halted in the middle, such as with
// its node, before it goes on with the call that it was about to make.
func (w *world) halt() time.Duration {
	if w.calm || w.moods == nil || len(w.processes) < 2 || w.moods.IntN(30) > 0 {
		return 0
	}
	return w.mood(2 * time.Minute)
}

// mood draws a time below that.
func (w *world) mood(most time.Duration) time.Duration {
	return time.Duration(w.moods.Int64N(int64(most)))
}

func (p *plan) latency(w *world) time.Duration {
	if w.chance(0.02) && !w.calm {
		return w.between(0, 8*time.Second)
	}
	return w.between(time.Millisecond, 100*time.Millisecond)
}

func (p *plan) watchDelay(w *world) time.Duration {
	if left := w.kube.outageUntil - w.now(); left > 0 {
		return left + w.between(0, time.Second)
	}
	if w.chance(0.05) && !w.calm {
		return w.between(0, 20*p.lag)
	}
	return w.between(0, p.lag)
}

// life is how many calls a process lives.
func (p *plan) life(w *world) int {
	if p.crashes == 0 {
		return -1
	}
	return int(w.rng.ExpFloat64() * p.crashes)
}

// replacement is how long it takes until another process is there.
func (p *plan) replacement(w *world) time.Duration {
	return w.between(0, oneOf(w, time.Second, 20*time.Second, 2*time.Minute))
}
