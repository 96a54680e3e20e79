// Package quota shares a rate limit of the form "at most R requests in any
// period of length P" among all callers of one API project, and keeps to it as
// measured at the server.
//
// # Why not a token bucket
//
// A bucket which holds N tokens and refills at N per P lets up to 2N requests
// into one period: N from the full bucket and N from the refill. Here every
// request is remembered. Its token comes back one period after the attempt
// ended, so whatever the latency the server never sees more than the limit
// within any period: it saw the old attempt no later than its end, and it sees
// the next holder of the token no sooner than a whole period after that.
// Several [Window]s hold at once.
//
// # Which method to use
//
// Every HTTP attempt, be it a retry, a page of a listing or a read, needs a
// [Permit] of its own. There are two ways to get one:
//
//   - [Limiter.TryAcquire] never blocks. It is meant for reconcilers: when the
//     request has to wait it returns a [*WaitError], which tells the place in
//     the queue and the expected time, and keeps a ticket for the request's
//     key. When its turn has come a token is held for the key and the ticket's
//     Notify function runs; the reconciler asks again and gets the permit.
//     Asking early, late or repeatedly neither loses nor gains a place.
//   - [Limiter.Acquire] blocks until the permit is there or the context ends.
//     It is meant for background work that owns a goroutine, such as listings.
//
// Most reconcilers should use TryAcquire, so that a waiting object holds no
// worker and can report its turn. Both stand in the same queue.
//
//	p, err := limiter.TryAcquire(quota.Request{Key: uid, Turn: namespace, Lane: quota.Change, Mutation: true, Notify: wake})
//	if err != nil {
//		return err // a *quota.WaitError: wake runs when it is time to ask again
//	}
//	defer p.Cancel() // does nothing after Done
//	ctx, cancel := context.WithDeadline(ctx, p.Deadline())
//	defer cancel()
//	resp, err := send(ctx)
//	p.Done(outcome(resp, err))
//
// # Order
//
// Lanes are served strictly in the order [Revoke], [Change], [Drift]. In a lane
// the turns (namespaces) take one request each, round robin, and within a turn
// requests are served first come, first served. Checks for drift are kept to a
// part of every window, so that a change made after a quiet hour never finds
// the window spent.
//
// # Trouble
//
// A 429 closes the gate for everyone until its Retry-After, or for a backoff; a
// run of failures opens a circuit. Both end with a single trial attempt, the most
// urgent one that waits. That is all that is certain after a 429. How much of a
// window other clients of the project leave is a [guess], and only decides which
// requests are tried one at a time; answers that prove it wrong end it.
//
// # Restarts
//
// With a [Store] the history outlives the process: requests are recorded before
// they are made, in blocks, and a 429 at once. See [Durability] for what that costs.
//
// # Assumptions
//
// The server has seen an attempt when it ended, or lostGrace (10s) later if its
// answer was lost. Callers end every attempt by [Permit.Deadline]. Clocks of
// nodes are right within [Durability].ClockSkew, and the server's clock runs at
// most 0.1 % slower than ours.
package quota
