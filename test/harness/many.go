package harness

import (
	"context"
	"sync"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// manyTimeout bounds the clean-up of a great many objects.
const manyTimeout = 5 * time.Minute

// CreateMany is Create for a great many objects, several at a time.
func (e *Env) CreateMany(objects []client.Object) {
	e.T.Helper()
	several(objects, func(obj client.Object) {
		if err := e.TryCreate(obj); err != nil && e.T.Context().Err() == nil {
			e.T.Errorf("create %T %s: %v", obj, obj.GetName(), err)
		}
	})
}

// DiscardMany deletes a great many objects without any operator's doing, for
// [testing.T.Cleanup].
func (e *Env) DiscardMany(objects []client.Object) {
	ctx, cancel := context.WithTimeout(context.Background(), manyTimeout)
	defer cancel()
	several(objects, func(obj client.Object) { e.discard(ctx, obj) })
}

func several(objects []client.Object, do func(client.Object)) {
	const width = 8
	var wg sync.WaitGroup
	for part := range width {
		wg.Go(func() {
			for i := part; i < len(objects); i += width {
				do(objects[i])
			}
		})
	}
	wg.Wait()
}
