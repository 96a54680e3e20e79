package quota

import "slices"

// ticket is a request that has to wait.
type ticket struct {
	Request
	hold            // what was taken for it once granted
	granted bool    // a token is held
	expires instant // when an unclaimed grant is given back
	ready   chan struct{}
	turn    *turn // nil unless queued
}

// turn is the queue of one namespace in one lane.
type turn struct {
	name    string
	lane    Lane
	tickets []*ticket
}

// lane is a round of turns: turns[next] is served next.
type lane struct {
	turns  []*turn
	byName map[string]*turn
	next   int
	n      int
}

// queue orders tickets by lane, then round robin by turn, then by arrival.
type queue [laneCount]lane

func (q *queue) len() (n int) {
	for i := range q {
		n += q[i].n
	}
	return n
}

// people is the number of waiting requests that come before checks for drift.
func (q *queue) people() int { return q[Revoke].n + q[Change].n }

// push adds t at the end of its turn, or at the front for a ticket that was
// already served once and lost its token through no fault of its own.
func (q *queue) push(t *ticket, front bool) {
	ln := &q[t.Lane]
	tn := ln.byName[t.Turn]
	if tn == nil {
		tn = &turn{name: t.Turn, lane: t.Lane}
		if ln.byName == nil {
			ln.byName = make(map[string]*turn)
		}
		ln.byName[t.Turn] = tn
		// Just before the turn to be served next is the end of the round.
		ln.turns = slices.Insert(ln.turns, ln.next, tn)
		if !front && len(ln.turns) > 1 {
			ln.next++
		}
	}
	if front {
		tn.tickets = slices.Insert(tn.tickets, 0, t)
	} else {
		tn.tickets = append(tn.tickets, t)
	}
	t.turn = tn
	ln.n++
}

// head returns the ticket to be served next, or nil.
func (q *queue) head() *ticket {
	for i := range q {
		if ln := &q[i]; ln.n > 0 {
			return ln.turns[ln.next].tickets[0]
		}
	}
	return nil
}

// pop removes the head and passes the turn on.
func (q *queue) pop() *ticket {
	t := q.head()
	if t == nil {
		return nil
	}
	tn := t.turn
	q.remove(t)
	if ln := &q[t.Lane]; len(tn.tickets) > 0 {
		ln.next = (ln.next + 1) % len(ln.turns)
	}
	return t
}

// remove takes t out of the queue, wherever it stands.
func (q *queue) remove(t *ticket) {
	tn, ln := t.turn, &q[t.turn.lane]
	if tn.tickets[0] == t {
		tn.tickets[0] = nil
		tn.tickets = tn.tickets[1:]
	} else {
		i := slices.Index(tn.tickets, t)
		tn.tickets = slices.Delete(tn.tickets, i, i+1)
	}
	t.turn = nil
	ln.n--
	if len(tn.tickets) > 0 {
		return
	}
	delete(ln.byName, tn.name)
	i := slices.Index(ln.turns, tn)
	ln.turns = slices.Delete(ln.turns, i, i+1)
	if i < ln.next {
		ln.next--
	}
	if ln.next >= len(ln.turns) {
		ln.next = 0
	}
}

// ahead returns how many tickets of t's own lane are served before t.
func (q *queue) ahead(t *ticket) int {
	ln := &q[t.turn.lane]
	own := slices.Index(t.turn.tickets, t)
	n, before := own, true
	for i := range ln.turns {
		tn := ln.turns[(ln.next+i)%len(ln.turns)]
		switch {
		case tn == t.turn:
			before = false
		case before:
			n += min(len(tn.tickets), own+1)
		default:
			n += min(len(tn.tickets), own)
		}
	}
	return n
}

// each calls f for every ticket. f must not change the queue.
func (q *queue) each(f func(*ticket)) {
	for i := range q {
		for _, tn := range q[i].turns {
			for _, t := range tn.tickets {
				f(t)
			}
		}
	}
}

// drain empties the queue in order of service.
func (q *queue) drain(f func(*ticket)) {
	for t := q.pop(); t != nil; t = q.pop() {
		f(t)
	}
}
