// Package access is what Teams and UserRoles have in common on their way to
// the console: the project behind their connection, whether they may use it,
// who owns a name that two objects claim, and how a status is written.
package access

import (
	"slices"
	"sync"

	"github.com/console-access/console-access-operator/internal/console"
)

// A Link is a connection that can be used: the project behind it, and the
// brake on its deletions.
type Link struct {
	Project *console.Project
	Brake   *Brake
	// KeyDigest identifies the endpoint and the API key without revealing it.
	KeyDigest string
	// Recognition tells whether the project is that of the connection's objects.
	Recognition *Recognition
}

// A Registry holds the links of all connections, by their names. The
// connections' reconciler keeps it; all others only read. The zero value is
// ready to use.
type Registry struct {
	mu    sync.RWMutex
	links map[string]*Link
	told  []func(connection string, link *Link)
}

// OnChange has f told of every link that comes or is replaced.
func (r *Registry) OnChange(f func(connection string, link *Link)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.told = append(r.told, f)
}

// Get returns the connection's link, or nil.
func (r *Registry) Get(connection string) *Link {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.links[connection]
}

// Set makes link the connection's; nil takes it away.
func (r *Registry) Set(connection string, link *Link) {
	r.mu.Lock()
	if link == nil {
		delete(r.links, connection)
		r.mu.Unlock()
		return
	}
	if r.links == nil {
		r.links = map[string]*Link{}
	}
	r.links[connection] = link
	told := slices.Clone(r.told)
	r.mu.Unlock()
	for _, f := range told {
		f(connection, link)
	}
}

// each calls f for every link.
func (r *Registry) each(f func(*Link)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, link := range r.links {
		f(link)
	}
}
