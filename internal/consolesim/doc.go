// Package consolesim is Statsig's Console API (edition 20240601) as an HTTP
// server for tests, demonstrations and acceptance runs: users, invitations,
// teams, custom roles and the two settings, with the published validation,
// error bodies and pagination.
//
// It counts every sliding window of the rate limit by itself, so that a client
// which keeps its own quota can be measured by somebody who shares no code with
// it; it has a switch for every point that the documentation leaves open
// ([Behavior]); it can be made to fail ([Fault]); and its state can be edited
// "by hand", which is how a person at the console is played ([Project.PutUser],
// [Project.PutTeam], ...).
//
// A [Server] is an http.Handler:
//
//	sim := consolesim.New(consolesim.Options{Keys: []string{"console-a"}})
//	sim.PutUser(consolesim.User{Email: "ada@example.com", Role: "Admin"})
//	ts := httptest.NewServer(sim)
//
// Inside a testing/synctest bubble, where sockets may not be used, it is served
// over in-memory connections by [Server.InMemory].
//
// # Open questions
//
// The numbers in the comments of [Behavior] are these:
//
//	 1  the list of teams carries members and admins, or not
//	 2  the answer to create team, or a list entry, carries the id, or not
//	 3  a second team of one name is refused, or created
//	 4  a field left out of PATCH is kept, or reset
//	 5  roles come back in another spelling
//	 6  e-mail addresses come back lower-cased
//	 7  an admin is also listed among the members, or not
//	 8  lists come back in another order, duplicates dropped
//	 9  an unknown member address is refused, dropped, or invited
//	10  pages are shorter than asked; items move while a list is being read
//	11  a missing team answers 404, 400, or (DELETE) 200
//	12  a write takes effect although its answer is lost (see [Fault])
//	13  a read just after a write shows the old state
//
// Besides these, what is not documented and happens: an address that is refused
// although it is listed, a 400 that says in errors[] what is wrong, a 404 about the
// role that a request names, and a refusal to invite somebody again.
//
// # Control plane
//
// Under /_sim/ the server speaks JSON about itself: without authentication, not
// counted, not logged, and to loopback clients only unless
// [Options.RemoteControl] is set. Every call that concerns one project takes
// ?project=NAME; without it the first project is meant.
//
//	GET    /_sim/state                    users, teams, roles, settings, invitations
//	PUT    /_sim/state                    replaces all of it
//	PUT    /_sim/users/{email}            adds or changes a user; fields left out are kept
//	DELETE /_sim/users/{email}            removes a user, also from every team
//	POST   /_sim/teams                    adds a team
//	PUT    /_sim/teams/{id}               adds or changes a team; fields left out are kept
//	DELETE /_sim/teams/{id}               removes a team
//	PUT    /_sim/roles/{name}             adds or changes a custom role
//	DELETE /_sim/roles/{name}             removes a custom role
//	PUT    /_sim/settings                 changes the settings; fields left out are kept
//	POST   /_sim/invites/{email}/accept   the invited person appears in the project
//	GET    /_sim/requests[?since=N]       the log, of the requests numbered above N
//	DELETE /_sim/requests                 empties the log and the counters
//	GET    /_sim/quota                    per window: limit, used now, max ever, violations
//	GET    /_sim/behavior                 every switch
//	PATCH  /_sim/behavior                 changes the switches given
//	GET    /_sim/faults                   the faults in place, with how often each was seen and hit
//	POST   /_sim/faults                   adds a fault
//	DELETE /_sim/faults[/{id}]            removes one fault, or all
//	POST   /_sim/keys                     {"key", "readOnly"?} adds an API key
//	DELETE /_sim/keys                     {"key"} revokes one, by its text or its name ("key 2")
//
// # Limits
//
// Nothing is kept on disk. Permissions of custom roles are stored but not
// enforced; the review header is ignored; unknown JSON fields are ignored. A
// role is accepted in its documented spelling only. Of addresses the case of
// ASCII letters makes no difference. A project may be left without any Admin: to prevent that is a
// client's duty, and has to be measurable here.
package consolesim
