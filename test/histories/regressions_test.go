package histories

import "testing"

// regressions are histories that once found a bug, and what it was. `make test`
// replays them, whatever else it runs.
//
// To add one: when a history fails, `make test-histories SEED=n` prints all that
// happened in it. Mend the cause, with a test of its own beside the code, since
// a seed stands for another history as soon as people, faults or calls are drawn
// in another order; see that the seed fails without the mending and passes with
// it, and add it here. Whoever changes what is drawn drops the entries that do not
// fail any more without theirs.
var regressions = []struct {
	seed  uint64
	found string
	// twisted is false for those from before there were twists.
	twisted bool
}{
	{769, "a leader believed that a team was gone which another one had just created", false},
	{1945, "the intent of another process was given up at once, as one before it had been settled long ago", false},
	{4994, "a lookup of what came of an intent was never made, as its time had passed", false},
	{7148, "a lookup of what came of an intent was never made, as its time had passed", false},
	{600099, "a Team whose creation was settled while it was deleted did not hand over its team", true},
	{600080, "a console whose listings tell no ids was taken for another project when the key was rotated", false},
	{2426, "the checker compared lists of metrics by their length", false},
}

// TestRegressions replays the histories that once failed.
func TestRegressions(t *testing.T) {
	sideBySide(t, len(regressions), func(t *testing.T, i int) {
		known := regressions[i]
		for _, wrong := range history(t, known.seed, false, known.twisted).wrong {
			t.Errorf("seed %d, which once found that %s: %s", known.seed, known.found, wrong)
		}
	})
}
