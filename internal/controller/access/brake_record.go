package access

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/console-access/console-access-operator/api/v1alpha1"
)

// A BrakeRecord is what a brake has to know of the process before this one. What
// is held is not in it: the objects themselves say that.
type BrakeRecord = v1alpha1.BrakeStatus

// recordSteps is how finely the record tells deletions within the period apart.
const recordSteps = 10

// maxDeleting is how many deletions under way the record names.
const maxDeleting = 100

// Save saves the brake's record, if it differs from what was saved last.
func (b *Brake) Save(ctx context.Context) error {
	select {
	case b.saving <- struct{}{}:
		defer func() { <-b.saving }()
	case <-ctx.Done():
		return fmt.Errorf("record the deletions: %w", context.Cause(ctx))
	}
	record := b.record()
	if b.save == nil || equality.Semantic.DeepEqual(record, b.saved) {
		return nil
	}
	if err := b.save(ctx, record); err != nil {
		return fmt.Errorf("record the deletions: %w", err)
	}
	b.saved = record
	return nil
}

// record is the brake's record as of now.
func (b *Brake) record() BrakeRecord {
	b.mu.Lock()
	defer b.mu.Unlock()
	now, out := time.Now(), BrakeRecord{}
	sent := slices.DeleteFunc(slices.Clone(b.done), func(t time.Time) bool { return now.Sub(t) >= b.per })
	unfinished := false
	for key, d := range b.deletions {
		unfinished = unfinished || d.approved
		if !d.sent.IsZero() {
			out.Deleting = append(out.Deleting, v1alpha1.DeletionMark{Time: roundUp(d.sent, time.Second), Key: key})
		}
	}
	slices.SortFunc(out.Deleting, func(x, y v1alpha1.DeletionMark) int { return cmp.Compare(x.Key, y.Key) })
	if len(out.Deleting) > maxDeleting {
		for _, d := range out.Deleting[maxDeleting:] {
			sent = append(sent, b.deletions[d.Key].sent)
		}
		out.Deleting = out.Deleting[:maxDeleting]
	}
	if unfinished {
		out.ApprovedUpTo = &v1alpha1.DeletionMark{Time: metav1.NewTime(b.approved.since).Rfc3339Copy(), Key: b.approved.key}
	}
	step := max(b.per/recordSteps, time.Second)
	slices.SortFunc(sent, time.Time.Compare)
	for _, at := range sent {
		rounded := roundUp(at, step)
		if last := len(out.Recent) - 1; last >= 0 && out.Recent[last].Time.Equal(&rounded) {
			out.Recent[last].Count++
			continue
		}
		out.Recent = append(out.Recent, v1alpha1.DeletionCount{Time: rounded, Count: 1})
	}
	return out
}

// roundUp makes times fewer, and none of them earlier, lest a deletion is
// forgotten too soon.
func roundUp(at time.Time, step time.Duration) metav1.Time {
	return metav1.NewTime(at.Add(step - 1).Truncate(step)).Rfc3339Copy()
}

// restore takes over the record of the process before this one. Whether what it
// was deleting is done is for [Brake.Resume] to see.
func (b *Brake) restore(record BrakeRecord) {
	now := time.Now()
	past := func(t metav1.Time) time.Time {
		if t.Time.After(now) {
			return now
		}
		return t.Time
	}
	for _, recent := range record.Recent {
		b.done = append(b.done, slices.Repeat([]time.Time{past(recent.Time)}, int(recent.Count))...)
	}
	for _, d := range record.Deleting {
		b.deletions[d.Key] = &deletion{Deletion: Deletion{Key: d.Key}, passing: true, sent: past(d.Time)}
	}
	if up := record.ApprovedUpTo; up != nil {
		b.approved = mark{since: up.Time.Time, key: up.Key}
	}
}
