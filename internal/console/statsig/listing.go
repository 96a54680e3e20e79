package statsig

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/maphash"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/console-access/console-access-operator/internal/console"
	"github.com/console-access/console-access-operator/internal/quota"
)

const (
	// maxPages ends a listing that does not.
	maxPages = 10_000
	// maxItems bounds what a listing may take in memory. Projects have some
	// thousands of users.
	maxItems = 100_000
	// maxPageRetries is how often a page is asked for again.
	maxPageRetries = 2
	// maxPointerBytes bounds a nextPage that is followed.
	maxPointerBytes = 4096
)

// list reads every page, or fails. The console may answer with fewer items
// than asked for, so only its own pointer tells whether and where to go on.
func list[T any](ctx context.Context, c *Client, by quota.Request, k call,
	item func(json.RawMessage) (T, error), identify func(T) identity,
) (console.Listing[T], error) {
	op := k.op
	k.limit = maxListBytes
	query := url.Values{"limit": {strconv.Itoa(c.pageSize)}, "page": {"1"}}
	asked := map[string]bool{}
	merged := merger[T]{identify: identify, at: map[string]int{}, steady: true}
	var l console.Listing[T]
	for number := 1; number <= maxPages; number++ {
		k.op = fmt.Sprintf("%s page %d", op, number)
		k.query = query.Encode()
		if asked[k.query] {
			return console.Listing[T]{}, k.unusable(0, errors.New("the console's pages lead back to one already read"))
		}
		asked[k.query] = true
		p, started, tries, err := readPage(ctx, c, by, k, decodePage(item))
		if err != nil {
			return console.Listing[T]{}, err
		}
		l.Pages += tries
		if number == 1 {
			l.StartedAt = started
		}
		merged.add(p)
		if len(merged.items) > maxItems {
			return console.Listing[T]{}, k.unusable(0, fmt.Errorf("the console's list has more than %d items", maxItems))
		}
		if p.next == "" {
			l.Items = merged.items
			if merged.agree(p.endKnown) {
				l.Digest, l.Complete = merged.digest(), merged.total != nil || merged.pages == 1
			}
			return l, nil
		}
		query = c.following(k.endpoint, query, p.next)
	}
	return console.Listing[T]{}, k.unusable(0, errors.New("the console's list has no end"))
}

// readPage reads one page. When the caller waits for the quota anyway, a page
// that was throttled or unavailable is asked for again: the quota paces that,
// and the pages already read are not wasted.
func readPage[T any](ctx context.Context, c *Client, by quota.Request, k call, decode func([]byte) (page[T], error)) (p page[T], started time.Time, tries int, err error) {
	for {
		tries++
		p, started, err = sendAt(ctx, c, by, k, decode)
		class := console.ClassOf(err)
		again := class == console.Unavailable || class == console.Throttled
		if !again || by.Notify != nil || ctx.Err() != nil || tries > maxPageRetries {
			return p, started, tries, err
		}
	}
}

// following returns the query of the next page. Of the console's pointer only
// the query is used, and only if it is one of the same list; any other pointer
// still says that there is a next page, whose number follows.
func (c *Client) following(endpoint string, current url.Values, next string) url.Values {
	here := c.base.JoinPath(endpoint)
	if target, err := here.Parse(next); err == nil && len(next) <= maxPointerBytes {
		sameList := target.Path == endpoint || target.Path == here.Path
		if query := target.Query(); sameList && strings.EqualFold(target.Host, here.Host) && len(query) != 0 {
			return query
		}
	}
	number, err := strconv.Atoi(current.Get("page"))
	if err != nil {
		number = 1
	}
	return url.Values{"limit": {strconv.Itoa(c.pageSize)}, "page": {strconv.Itoa(number + 1)}}
}

// An identity is what an item of a list is recognised by.
type identity struct {
	key string
	// unique: two items of that key are certainly the same thing.
	unique bool
}

// A merger puts pages together. Items can move between pages while these are
// read, so that one is seen twice and another not at all. An item seen twice,
// or a total that does not add up, betrays it; without a total nothing betrays
// an item that was deleted from a page already read, which moves another there.
type merger[T any] struct {
	identify func(T) identity
	items    []T
	at       map[string]int // index in items, by key
	pages    int
	total    *float64
	steady   bool
}

func (m *merger[T]) add(p page[T]) {
	m.pages++
	for _, item := range p.items {
		id := m.identify(item)
		i, seen := m.at[id.key]
		if seen {
			m.steady = false
		}
		if seen && id.unique {
			m.items[i] = item // the later observation
			continue
		}
		m.at[id.key] = len(m.items)
		m.items = append(m.items, item)
	}
	if p.total == nil {
		return
	}
	if m.total != nil && *m.total != *p.total {
		m.steady = false
	}
	m.total = p.total
}

// agree tells whether nothing in the pages contradicts anything else. endKnown
// is false when the last page did not say that it was the last.
func (m *merger[T]) agree(endKnown bool) bool {
	if m.total == nil {
		return m.steady && endKnown
	}
	return m.steady && *m.total == float64(len(m.at))
}

var digestSeed = maphash.MakeSeed()

func (m *merger[T]) digest() (sum uint64) {
	for key := range m.at {
		sum += maphash.String(digestSeed, key)
	}
	return sum
}
