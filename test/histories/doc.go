// Package histories runs random histories of the operator on virtual time: its
// own reconcilers, quota and client, and the simulated console, in one process
// and one testing/synctest bubble, so that a day costs a fraction of a second.
//
// A seed decides all that happens: what people do, which request or write is
// lost, late, refused or the last one of its process, what caches show, and in
// which order things take place that happen at once. The same seed is the same
// history, step for step; TestReplay proves it.
//
//   - A world holds what is outside of the operator: the objects in Kubernetes,
//     the console, and the people. It alone advances: it waits until everybody
//     is waiting, and then lets one thing happen.
//   - A process is one run of the operator, from its start to its end or crash.
//   - Twists are what else may come to pass: lies of the console, people who move
//     and protect, several connections. A history without them is what it was
//     before there were twists.
//   - A checker that shares no code with the operator compares objects and
//     console in the end, and watches every write on the way.
//
// Not covered: what the Kubernetes API server validates and defaults, and real
// sockets; test/integration and test/crash do that.
package histories
