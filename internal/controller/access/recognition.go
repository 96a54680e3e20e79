package access

import (
	"fmt"
	"sync"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/controller/condition"
)

// A Recognition is whether the project behind a link is the one that the objects of
// its connection were brought about in. Nothing is done for them before that is known,
// nor while it is not. The connection's reconciler decides; a nil Recognition is for
// objects that tell too little to judge by.
type Recognition struct {
	mu      sync.Mutex
	done    bool
	refusal *condition.Verdict
}

// Accept ends the judgement: it is the project.
func (r *Recognition) Accept() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done, r.refusal = true, nil
}

// Refuse notes that it seems to be another project, and reports whether that is news.
func (r *Recognition) Refuse(v condition.Verdict) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	news := r.refusal == nil
	r.refusal = &v
	return news
}

// Done reports whether there is nothing left to judge.
func (r *Recognition) Done() bool {
	if r == nil {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.done
}

// Refused returns the verdict on a project that is not recognized.
func (r *Recognition) Refused() *condition.Verdict {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.refusal
}

// pending is the error for objects while it is not known. They are looked at again
// when it is, see [Registry.OnChange].
func (r *Recognition) pending(connection string) error {
	if r.Done() || r.Refused() != nil {
		return nil
	}
	return fmt.Errorf("recognize the project of ConsoleConnection %q: %w", connection, console.ErrReading)
}
