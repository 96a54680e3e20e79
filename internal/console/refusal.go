package console

import (
	"context"
	"time"

	"github.com/console-access/console-access-operator/internal/quota"
)

// unauthorizedPause is how long calls are refused here, unsent, after the
// console refused the key: thousands of objects need not each find out.
const unauthorizedPause = 15 * time.Second

// Refused returns the console's refusal of the key while that stands.
func (p *Project) Refused() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused == nil {
		return nil
	}
	return p.refused
}

// call runs one call to the console, unless the console has just refused the
// key, and notes whether it was refused now. When the pause after a refusal is
// over a single request goes out; no other does before it is answered.
func (p *Project) call(ctx context.Context, do func(context.Context) error) error {
	if err := p.pausing(); err != nil {
		return err
	}
	probes := false
	end := func() {}
	err := do(OnAnswer(BeforeSend(ctx, func() error {
		if p.closed.Load() {
			return quota.ErrClosed
		}
		if !probes {
			var err error
			if probes, err = p.probe(); err != nil {
				return err
			}
		}
		if err := RunBeforeSend(ctx); err != nil {
			return err
		}
		end()
		end = beginCall(ctx)
		return nil
	}), p.answered))
	end()
	if probes {
		p.mu.Lock()
		p.probing = false
		p.mu.Unlock()
	}
	return err
}

// answered notes whether the console has accepted the key.
func (p *Project) answered(err error) {
	p.mu.Lock()
	was := p.refused != nil
	switch {
	case ClassOf(err) == Unauthorized:
		p.refused, _ = AsError(err)
		p.refusedAt = time.Now()
	case accepted(err):
		p.refused = nil
	}
	changed := was != (p.refused != nil)
	p.mu.Unlock()
	if changed {
		p.publish(Change{Access: true})
	}
}

// pausing returns why no call is to be made: the refusal of the key, or the end
// of the view.
func (p *Project) pausing() error {
	if p.closed.Load() {
		return quota.ErrClosed
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.refused != nil && (p.probing || time.Since(p.refusedAt) < unauthorizedPause) {
		return p.refused
	}
	return nil
}

// probe is asked before a request is sent, which may have waited long for its
// turn. It reports whether that request is the one that tries the key again.
func (p *Project) probe() (probes bool, err error) {
	if err := p.pausing(); err != nil {
		return false, err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	probes = p.refused != nil && !p.probing
	if p.refused != nil && !probes {
		return false, p.refused
	}
	p.probing = probes
	return probes, nil
}

// accepted reports whether the outcome of a call shows that the console accepts
// the key: it answered what was asked, if only that it will not have it so.
func accepted(err error) bool {
	failed, ok := AsError(err)
	return err == nil || ok && failed.Status != 0 && (failed.Class == NotFound || failed.Class == Invalid)
}
