package access

import (
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/resourceversion"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// A Memo is what is remembered of an object between reconciliations and need
// not survive the process.
type Memo struct {
	uid types.UID
	// version is the resourceVersion of our last write to Kubernetes. Anything
	// older that the cache shows is history. [Memory.wrote] sets it.
	version string
	lag     Lag
	// released: our finalizer was taken away; no copy that has it is current.
	released bool
	// link is the one that the object last went through.
	link *Link
	// Generation is the one that Attempts counts for.
	Generation int64
	// Attempts is how many writes to the console did not lead to what the spec
	// says; LastWrite is when the last one was answered.
	Attempts  int
	LastWrite time.Time
	// Began is when the difference that is being written away was first seen.
	Began time.Time
	// Seen is when this generation was first seen while not yet synced; zero
	// once it is. Queued is when a call of it began to wait for its turn.
	Seen, Queued time.Time
	// Drifted: the difference that is being written away was not asked for.
	Drifted bool
	// corrections are when drift of a field was corrected, by the field; correcting
	// are the fields that the write under way is to correct. counted says that this
	// was decided for the difference being written away now.
	corrections map[string][]time.Time
	correcting  []string
	counted     bool
	// foreign counts the answers in a row that were not the console's own.
	foreign int
	// refusals are the writes the console refused, by what they were to do.
	refusals map[string]refusal
}

type refusal struct {
	verdict condition.Verdict
	until   time.Time
}

// Refuse notes that the console refused a write: the same is not sent again
// before the verdict's RetryAfter has passed.
func (m *Memo) Refuse(doing string, v condition.Verdict) {
	if m.refusals == nil {
		m.refusals = map[string]refusal{}
	}
	m.refusals[doing] = refusal{verdict: v, until: time.Now().Add(v.RetryAfter)}
}

// Refused returns the verdict on a write that was refused and is not yet to be
// sent again.
func (m *Memo) Refused(doing string) *condition.Verdict {
	r, ok := m.refusals[doing]
	left := time.Until(r.until)
	if !ok || left <= 0 {
		return nil
	}
	r.verdict.RetryAfter = left
	return &r.verdict
}

// slowDown lengthens the pause after answers in a row that something on the way
// gave in place of the console, up to an interval. The circuit breaker of the quota
// does not: such answers may concern this object alone.
func (m *Memo) slowDown(err error, v *condition.Verdict, interval time.Duration) {
	failed, ok := console.AsError(err)
	if !ok || failed.Status == 0 || failed.Status >= 500 || v.RetryAfter == 0 {
		return
	}
	if failed.Class == console.Unavailable || failed.Class == console.Ambiguous {
		v.RetryAfter = max(v.RetryAfter, min(v.RetryAfter<<m.foreign, interval))
		m.foreign = min(m.foreign+1, 10)
	}
}

// A Memory holds the memos of one kind's objects. The zero value is ready.
type Memory struct {
	mu    sync.Mutex
	memos map[types.NamespacedName]*Memo
	// invitations are those of objects that are gone.
	invitations map[invitee]time.Time
}

// Of returns the memo of an object. Only one reconciliation of an object runs
// at a time, so the memo needs no lock of its own.
func (m *Memory) Of(name types.NamespacedName, uid types.UID) *Memo {
	m.mu.Lock()
	defer m.mu.Unlock()
	memo, ok := m.memos[name]
	if !ok || memo.uid != uid {
		if m.memos == nil {
			m.memos = map[types.NamespacedName]*Memo{}
		}
		memo = &Memo{uid: uid}
		m.memos[name] = memo
	}
	return memo
}

// wrote notes that our last write left an object at a version.
func (m *Memory) wrote(memo *Memo, version string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	memo.version = version
}

// ours reports whether our last write to an object is its newest, as far as is
// known of it.
func (m *Memory) ours(obj client.Object) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	memo, ok := m.memos[client.ObjectKeyFromObject(obj)]
	return ok && (memo.version == obj.GetResourceVersion() || precedes(obj.GetResourceVersion(), memo.version))
}

// Forget drops the memo of an object that is gone.
func (m *Memory) Forget(name types.NamespacedName) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.memos, name)
}

// stale reports whether an object read from the cache is older than our last
// write to it.
func (m *Memo) stale(version string) bool { return precedes(version, m.version) }

// Older reports whether an object read from the cache is older than our last
// write to it, which left it at version; "" when there was none.
func Older(obj client.Object, version string) bool {
	return precedes(obj.GetResourceVersion(), version)
}

func precedes(read, written string) bool {
	if written == "" {
		return false
	}
	order, err := resourceversion.CompareResourceVersion(read, written)
	return err == nil && order < 0
}

// Reset ends an episode: the console holds what the spec says.
func (m *Memo) Reset() {
	m.Attempts, m.LastWrite, m.Began, m.Drifted, m.counted, m.refusals, m.foreign = 0, time.Time{}, time.Time{}, false, false, nil, 0
	m.correcting = nil
}
